"""Building plans: names in boxes, and arrows between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from helpers.plots.style import GREY, NODE_FILL

__all__ = ["boxes"]


def boxes(
    places: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str] | tuple[str, str, float]],
    *,
    kinds: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    figsize: tuple[float, float] | None = None,
    fontsize: float = 9,
    ax: Axes | None = None,
) -> Axes:
    """Draw the parts of a model as boxes with arrows between them.

    Args:
        places: name -> position of the middle of its box.
        arrows: ``(from, to)`` or ``(from, to, bend)``; the bend is 0 for a straight line.
        kinds: name -> a key of ``NODE_FILL`` for its colour, or ``"text"`` for no box; default
            ``"operation"``.
        labels: name -> text in the box; default the name.
        figsize: size in inches of new axes.
        fontsize: of the labels, in points.
        ax: axes to draw on; default new ones.

    Raises:
        KeyError: if an arrow names an unknown box, or a box is of an unknown kind.

    Example:
        >>> ax = boxes({"x": (0, 0), "layer": (1, 0)}, [("x", "layer")], kinds={"x": "text"})
        >>> [text.get_text() for text in ax.texts if text.get_text()]
        ['x', 'layer']
    """
    kinds, labels = kinds or {}, labels or {}
    if ax is None:
        _, ax = plt.subplots(figsize=figsize)
    drawn = {}
    for name, (x, y) in places.items():
        kind = kinds.get(name, "operation")
        style = {"boxstyle": "round,pad=0.35", "fc": "none", "ec": "none"}
        if kind != "text":
            style |= {"fc": NODE_FILL[kind], "ec": "black"}
        text = labels.get(name, name)
        drawn[name] = ax.text(x, y, text, ha="center", va="center", bbox=style, fontsize=fontsize)
    for start, end, *bend in arrows:
        ax.annotate(
            "",
            places[end],
            places[start],
            arrowprops={
                "arrowstyle": "-|>",
                "color": GREY,
                "patchA": drawn[start].get_bbox_patch(),
                "patchB": drawn[end].get_bbox_patch(),
                "shrinkA": 1,
                "shrinkB": 1,
                "connectionstyle": f"arc3,rad={bend[0] if bend else 0}",
            },
        )
    xs, ys = zip(*places.values(), strict=True)
    ax.set(xlim=(min(xs) - 0.7, max(xs) + 0.7), ylim=(min(ys) - 0.6, max(ys) + 0.6))
    ax.axis("off")
    return ax
