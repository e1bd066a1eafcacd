"""The drawings that words do badly, in one house style.

One file a kind: style (colours), curves, pictures, tensors, graphs, regions. A new drawing needs
nothing but its function and its name in ``__all__`` of its file. Every function returns the
Matplotlib object that it drew; none calls ``plt.show``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.exports import exports

_found = exports(__name__, __path__)
globals().update(_found)
__all__ = sorted(_found)

if TYPE_CHECKING:  # what is found at run time is hidden from a type checker

    def __getattr__(name: str) -> Any: ...
