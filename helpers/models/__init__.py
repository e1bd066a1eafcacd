"""The networks of the course. Every model returns logits (or a raw regression output).

One file a family. A new model needs nothing but its class and its name in ``__all__`` of its
file: names, examples and parameter counts are found. Its docstring

- names the source that specifies it, with the ledger row that counts it if there is one (B3.r1);
- gives its number of parameters in the first paragraph, "61,706 parameters", which the book's
  index of models shows;
- gives the shapes of input and output, and an example. The first model that the example builds
  is the one that is counted; a test compares it with the docstring and with the ledger row.

What a single chapter or model needs beyond the package's dependencies (a library for graphs,
say) is imported by the functions that use it, not by the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.exports import exports

_found = exports(__name__, __path__)
globals().update(_found)
__all__ = sorted(_found)

if TYPE_CHECKING:  # what is found at run time is hidden from a type checker

    def __getattr__(name: str) -> Any: ...
