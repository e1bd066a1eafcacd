"""Adversarial examples: small changes of an input that a classifier falls for.

Both attacks want inputs in the range ``low`` to ``high`` of raw pixels. Put a normalisation into
the model, not in front of the attack: else ``eps`` means something else in each channel, and the
limits cut valid pixels off. Gradients go to the inputs only; the model's own are left alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["fgsm", "pgd"]


def _gradient(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    x = x.detach().requires_grad_(True)
    with torch.enable_grad():
        loss = F.cross_entropy(model(x), labels, reduction="sum")
        return torch.autograd.grad(loss, x)[0]


def _check(model: nn.Module, x: Tensor, eps: float, low: float, high: float) -> None:
    if eps < 0:
        raise ValueError(f"eps is a size, at least 0, got {eps}")
    if x.numel() and (x.min() < low or x.max() > high):
        raise ValueError(
            f"inputs from {x.min():.3g} to {x.max():.3g} leave the range {low:g} to {high:g}: "
            "give raw pixels and let the model normalise them, or set low and high"
        )
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() before an attack")


def fgsm(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    *,
    eps: float,
    targeted: bool = False,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """One step of ``eps`` in the direction of the gradient's sign.

    Goodfellow, Shlens, Szegedy: Explaining and harnessing adversarial examples, 2014,
    arXiv:1412.6572.

    Args:
        model: classifier in evaluation mode, ``(N, ...)`` to logits ``(N, C)``.
        x: inputs ``(N, ...)``, raw pixels.
        labels: ``(N,)``: the true classes, or with ``targeted`` those that shall be seen.
        eps: largest change of a pixel.
        targeted: lower the loss of ``labels`` instead of raising it.
        low: smallest valid pixel.
        high: largest valid pixel.

    Raises:
        ValueError: for a negative ``eps``, inputs outside the range, or a model in training mode.

    Example:
        >>> net = nn.Linear(2, 2).eval()
        >>> x = torch.rand(3, 2)
        >>> (fgsm(net, x, torch.tensor([0, 1, 0]), eps=0.1) - x).abs().max() < 0.1001
        tensor(True)
    """
    _check(model, x, eps, low, high)
    step = eps * _gradient(model, x, labels).sign()
    return (x - step if targeted else x + step).detach().clamp(low, high)


def pgd(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    *,
    eps: float,
    steps: int = 20,
    norm: str = "linf",
    step_size: float | None = None,
    targeted: bool = False,
    generator: torch.Generator | None = None,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """Many small steps, each followed by a projection into the ball of radius ``eps``.

    Madry et al.: Towards deep learning models resistant to adversarial attacks, 2017,
    arXiv:1706.06083. It begins at a random point of the ball if a generator is given, else at
    the input. The last point is returned, not the worst one on the way.

    Args:
        model: classifier in evaluation mode, ``(N, ...)`` to logits ``(N, C)``.
        x: inputs ``(N, ...)``, raw pixels.
        labels: ``(N,)``: the true classes, or with ``targeted`` those that shall be seen.
        eps: radius of the ball in the norm.
        steps: number of steps.
        norm: ``"linf"`` (largest change of a pixel) or ``"l2"`` (length of the whole change).
        step_size: length of a step, by default ``2.5 * eps / steps``.
        targeted: lower the loss of ``labels`` instead of raising it.
        generator: source of the random start, on the CPU.
        low: smallest valid pixel.
        high: largest valid pixel.

    Raises:
        ValueError: as for :func:`fgsm`, for another norm, or fewer than one step.

    Example:
        >>> net = nn.Linear(2, 2).eval()
        >>> x = torch.full((3, 2), 0.5)
        >>> moved = pgd(net, x, torch.tensor([0, 1, 0]), eps=0.1, norm="l2")
        >>> ((moved - x).norm(dim=1) < 0.1001).all()
        tensor(True)
    """
    _check(model, x, eps, low, high)
    if norm not in ("linf", "l2"):
        raise ValueError(f'norm is "linf" or "l2", got {norm!r}')
    if steps < 1:
        raise ValueError(f"at least one step is needed, got {steps}")
    length = 2.5 * eps / steps if step_size is None else step_size
    per_example = (-1, *[1] * (x.ndim - 1))

    def size(change: Tensor) -> Tensor:
        return change.flatten(1).norm(dim=1).view(per_example).clamp(min=1e-12)

    def projected(change: Tensor) -> Tensor:
        if norm == "linf":
            return change.clamp(-eps, eps)
        return change * (eps / size(change)).clamp(max=1.0)

    change = torch.zeros_like(x)
    if generator is not None:
        noise = torch.randn(x.shape, generator=generator).to(x)
        change = projected(eps * noise.sign() if norm == "linf" else eps * noise / size(noise))
        change = change * torch.rand(len(x), generator=generator).to(x).view(per_example)
    for _ in range(steps):
        grad = _gradient(model, (x + change).clamp(low, high), labels)
        step = length * (grad.sign() if norm == "linf" else grad / size(grad))
        change = projected(change - step if targeted else change + step)
        change = (x + change).clamp(low, high) - x  # what is left of the change at the limits
    return (x + change).detach()
