"""Curves over epochs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

__all__ = [
    "history",
]


def _words(column: str) -> str:
    """Return the name of a column in words: ``val_loss`` is the validation loss."""
    parts = column.split("_")
    parts[0] = {"train": "training", "val": "validation"}.get(parts[0], parts[0])
    return " ".join(parts)


def history(
    records: Iterable[Mapping[str, float]],
    keys: Sequence[str] = ("train_loss", "val_loss"),
    *,
    ax: Axes | None = None,
    ylabel: str = "loss",
    log: bool = False,
) -> Axes:
    """Plot columns of a :class:`helpers.train.History` against the epoch.

    Args:
        records: one mapping an epoch with ``"epoch"`` and the keys; epochs without a key are
            left out of that curve.
        keys: the columns to draw; the legend names them in words.
        ax: axes to draw on; default new ones.
        ylabel: label of the y axis with its unit.
        log: logarithmic y axis.

    Raises:
        KeyError: if no epoch has a key; the message lists the columns there are.

    Example:
        >>> epochs = [{"epoch": 1, "train_loss": 0.9}, {"epoch": 2, "train_loss": 0.5}]
        >>> ax = history(epochs, ["train_loss"])
        >>> [(line.get_label(), line.get_ydata().tolist()) for line in ax.lines]
        [('training loss', [0.9, 0.5])]
    """
    records = list(records)
    if ax is None:
        _, ax = plt.subplots()
    for key in keys:
        points = [(r["epoch"], r[key]) for r in records if key in r]
        if not points:
            known = sorted({name for r in records for name in r})
            raise KeyError(f"no column {key!r} in the history; it has {known}")
        x, y = zip(*points, strict=True)
        ax.plot(x, y, marker="o" if len(x) < 25 else None, markersize=4, label=_words(key))
    ax.set(xlabel="epoch", ylabel=ylabel, yscale="log" if log else "linear")
    ax.legend()
    return ax
