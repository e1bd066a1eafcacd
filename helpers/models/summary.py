"""Look at a model: parameters, shapes layer by layer, its source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from helpers.modes import evaluating

if TYPE_CHECKING:
    from IPython.display import Code

__all__ = ["count_parameters", "source", "summarize"]


def count_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Return the number of parameters; with ``trainable`` only those that require gradients.

    A parameter that several layers share is counted once.

    Raises:
        ValueError: for a lazy layer that has not seen an input yet.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    for name, parameter in model.named_parameters():
        if is_lazy(parameter):
            raise ValueError(
                f"{name} belongs to a lazy layer and has no size yet: "
                "run a batch through the model first"
            )
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def source(thing: Any) -> Code:
    """Show the source of a class or function of the package in a notebook.

    A chapter that uses a model shows it this way, so that there is one definition and no copy.

    Raises:
        ModuleNotFoundError: where IPython is not installed; every notebook has it.

    Example:
        >>> source(nn.Identity).data.splitlines()[0]
        'class Identity(Module):'
    """
    # IPython is no dependency of the package: Colab has one of its own without jedi, which pip
    # would then install beside it.
    try:
        from IPython.display import Code
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "models.source shows code in a notebook and needs IPython: pip install ipython"
        ) from None
    return Code(inspect.getsource(thing), language="python")


def _shape(output: Any) -> str:
    """Return the shapes in an output, containers as they are written: ``((5, 20), None)``."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    if isinstance(output, Mapping):
        return "{" + ", ".join(f"{key!r}: {_shape(part)}" for key, part in output.items()) + "}"
    if type(output) is list:
        return "[" + ", ".join(map(_shape, output)) + "]"
    if type(output) is tuple:
        return "(" + ", ".join(map(_shape, output)) + ("," if len(output) == 1 else "") + ")"
    return "None" if output is None else type(output).__name__


class _Table:
    """The rows of a summary, in the order in which the layers answer."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str, str], int] = {}  # name, type, output shape -> calls
        self.counts: dict[tuple[str, str, str], str] = {}
        self.counted: set[nn.Parameter] = set()

    def add(self, name: str, module: nn.Module, shape: str) -> None:
        row = (name or "(model)", type(module).__name__, shape)
        self.calls[row] = self.calls.get(row, 0) + 1
        if self.calls[row] > 1:
            return
        own = set(module.parameters(recurse=False))
        new = own - self.counted
        self.counted |= own
        self.counts[row] = "shared" if own and not new else f"{sum(p.numel() for p in new):,}"

    def hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, inputs, output: self.add(name, module, _shape(output))

    def text(self, total: int) -> str:
        cells = [("layer", "type", "output shape", "parameters")]
        for (name, kind, shape), calls in self.calls.items():
            again = f" ×{calls}" if calls > 1 else ""
            cells.append((name, kind, shape + again, self.counts[name, kind, shape]))
        cells.append(("total", "", "", f"{total:,}"))
        width = [max(len(row[column]) for row in cells) for column in range(4)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row[:3], width[:3], strict=True))
            + f"  {row[3]:>{width[3]}}"
            for row in cells
        )


def summarize(model: nn.Module, example: Any) -> str:
    """Return a table of the layers: name, type, output shape, parameters.

    Runs ``example`` through the model once, in evaluation mode and without gradients. Lazy layers
    get their sizes by it.

    Args:
        model: the model; each part's mode is restored afterwards.
        example: a batch on the model's device, given as :func:`helpers.train.fit` gives inputs:
            a tuple or list as several arguments, a dictionary as keyword arguments.

    Returns:
        One row for each layer without parts and for each module with parameters of its own, in
        the order in which they answer; ``×2`` behind a shape tells how often. The numbers add up
        to the total: a layer that answers with a second shape, or has only parameters counted
        above, says ``shared``. What owns parameters but is never called, since another module
        reads them, has ``–`` for a shape.

    Example:
        >>> print(summarize(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), torch.zeros(1, 3)))
        layer  type    output shape  parameters
        0      Linear  (1, 2)                 8
        1      ReLU    (1, 2)                 0
        total                                 8
    """
    from helpers.train.batch import forward  # here, since helpers.train imports the models

    table = _Table()
    handles = []
    for name, module in model.named_modules():
        if not list(module.children()) or list(module.parameters(recurse=False)):
            handles.append(module.register_forward_hook(table.hook(name)))
    try:
        # Not inference_mode: parameters of lazy layers, and tensors that a model keeps for later
        # calls, would be inference tensors and could not be trained with.
        with evaluating(model), torch.no_grad():
            forward(model, example)
    finally:
        for handle in handles:
            handle.remove()
    for name, module in model.named_modules():
        if set(module.parameters(recurse=False)) - table.counted:
            table.add(name, module, "–")
    return table.text(count_parameters(model))
