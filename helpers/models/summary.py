"""Look at a model: parameters, shapes layer by layer, its source."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from IPython.display import Code


def count_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Return the number of parameters; with ``trainable`` only those that require gradients.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def source(thing: Any) -> Code:
    """Show the source of a class or function of the package in a notebook.

    A chapter that uses a model shows it this way, so that there is one definition and no copy.

    Raises:
        ModuleNotFoundError: where IPython is not installed; every notebook has it.
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


def summarize(model: nn.Module, example: Tensor) -> str:
    """Return a table of the layers: name, type, output shape, parameters.

    Runs ``example`` through the model once, in evaluation mode and without gradients.

    Args:
        model: the model; its mode is restored afterwards.
        example: a batch on the model's device.

    Example:
        >>> print(summarize(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), torch.zeros(1, 3)))
        layer  type    output shape  parameters
        0      Linear  (1, 2)                 8
        1      ReLU    (1, 2)                 0
        total                                 8
    """
    rows: list[tuple[str, str, str]] = []
    counts: list[int] = []
    handles = []

    def hook_for(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            own = sum(p.numel() for p in module.parameters())
            rows.append((name, type(module).__name__, str(shape)))
            counts.append(own)

        return hook

    for name, module in model.named_modules():
        if not list(module.children()) and name:
            handles.append(module.register_forward_hook(hook_for(name)))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            model(example)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    header = ("layer", "type", "output shape")
    width = [max(len(header[i]), *(len(row[i]) for row in rows)) for i in range(3)]
    width[0] = max(width[0], len("total"))
    lines = ["  ".join(h.ljust(w) for h, w in zip(header, width, strict=True)) + "  parameters"]
    for row, own in zip(rows, counts, strict=True):
        text = "  ".join(row[i].ljust(width[i]) for i in range(3))
        lines.append(f"{text}  {own:>10,}")
    lines.append("total".ljust(sum(width) + 4) + f"  {count_parameters(model):>10,}")
    return "\n".join(lines)
