"""One house style for figures.

Colours are those of Okabe and Ito, which people with colour-blindness can tell apart.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from cycler import cycler

__all__ = [
    "BLUE",
    "COLORS",
    "GREEN",
    "GREY",
    "NODE_FILL",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "YELLOW",
    "class_colors",
    "use_style",
]

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#666666"
COLORS = [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY]

# What a node of a graph is -> its fill.
NODE_FILL = {
    "value": "#FFFFFF",
    "input": "#D6EAF8",
    "parameter": "#FCE8C3",
    "operation": "#E8E8E8",
    "loss": "#F6D5C6",
}


def use_style() -> None:
    """Set the house style for the figures that follow; :func:`helpers.env.start` calls it.

    Example:
        >>> with mpl.rc_context():
        ...     use_style()
        ...     mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
        '#0072B2'
    """
    mpl.rcParams.update(
        {
            "figure.figsize": (6.0, 3.6),
            "figure.dpi": 100,
            "savefig.dpi": 100,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.grid": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.alpha": 0.3,
            "image.cmap": "gray",
            "legend.frameon": False,
            "font.size": 10,
            "axes.titlesize": 11,
        }
    )


def class_colors(classes: int) -> list[str]:
    """Return a colour for each class: the house colours, or a scale for more than eight.

    Example:
        >>> class_colors(2)
        ['#0072B2', '#E69F00']
        >>> len(set(class_colors(20)))
        20
    """
    if classes <= len(COLORS):
        return COLORS[:classes]
    scale = mpl.colormaps["turbo"]
    return [mpl.colors.to_hex(scale(place)) for place in np.linspace(0.05, 0.95, classes)]
