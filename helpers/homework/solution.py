"""The model solution of the homework: an own Tanh, and augmentation for whole batches.

Set and tested in notebooks/11_homework.ipynb, which shows this source only on request.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import TensorLoader

__all__ = [
    "GaussianNoise",
    "RandomMove",
    "Tanh",
    "TanhBlock",
    "TanhFunction",
    "augmented_loaders",
    "move",
    "stable_tanh",
]


def stable_tanh(z: Tensor) -> Tensor:
    """Compute tanh from one exponential that can neither overflow nor cancel.

    With ``t = exp(-2|z|) - 1``, which lies in (-1, 0], ``tanh|z| = -t / (2 + t)``; the sign is
    that of ``z``, because tanh is odd. ``expm1`` keeps the digits that ``exp(...) - 1`` loses
    near zero.

    Args:
        z: floating-point numbers of any shape.

    Returns:
        The same shape and dtype, values in [-1, 1].

    Example:
        >>> stable_tanh(torch.tensor([-1000.0, 0.0, 1000.0]))
        tensor([-1.,  0.,  1.])
    """
    t = torch.expm1(-2 * z.abs())
    return torch.copysign(-t / (2 + t), z)


class TanhBlock:
    """Tanh as a block of chapter 05: ``forward`` keeps the output, ``backward`` uses it.

    Shapes: any, the same in and out.

    Example:
        >>> block = TanhBlock()
        >>> y = block.forward(torch.tensor([0.0, 1000.0]))
        >>> block.backward(torch.ones(2))
        tensor([1., 0.])
    """

    def __init__(self) -> None:
        self.params: dict[str, Tensor] = {}  # a Chain of chapter 05 asks for both
        self.grads: dict[str, Tensor] = {}

    def forward(self, z: Tensor) -> Tensor:
        """Return tanh z."""
        self.y = stable_tanh(z)
        return self.y

    def backward(self, grad_y: Tensor) -> Tensor:
        """Return the gradient for ``z``: grad_y · (1 - tanh² z)."""
        return grad_y * (1 - self.y**2)


class TanhFunction(torch.autograd.Function):
    """Tanh with its own derivative, for autograd; call it as ``TanhFunction.apply(z)``.

    Only the output is kept. Because it is the function's own output, autograd can differentiate
    ``backward`` once more, so second derivatives are right too.

    Example:
        >>> z = torch.tensor(0.0, requires_grad=True)
        >>> TanhFunction.apply(z).backward()
        >>> z.grad
        tensor(1.)
    """

    generate_vmap_rule = True  # so that torch.func.vmap can use it

    @staticmethod
    def forward(z: Tensor) -> Tensor:
        """Return tanh z."""
        return stable_tanh(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep the output for ``backward``."""
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> Tensor:
        """Return the gradient for ``z``: grad_y · (1 - tanh² z)."""
        (y,) = ctx.saved_tensors
        return grad_y * (1 - y**2)


class Tanh(nn.Module):
    """:class:`TanhFunction` as a layer, to be used wherever ``nn.Tanh`` can be.

    Shapes: any, the same in and out. It has no parameters.

    Example:
        >>> nn.Sequential(nn.Linear(3, 2), Tanh())(torch.zeros(4, 3)).shape
        torch.Size([4, 2])
    """

    def forward(self, z: Tensor) -> Tensor:
        """Apply tanh to every element."""
        return TanhFunction.apply(z)


class GaussianNoise(nn.Module):
    """Add independent Gaussian noise to every pixel, in training mode only.

    The input stays as it is, and nothing is clipped: after a normalisation the values have no
    bounds to clip to, and clipping would shift the mean of black and of white pixels.

    Shapes: any, the same in and out.

    Args:
        sigma: standard deviation of the noise, in the unit of the input.

    Raises:
        ValueError: for a negative ``sigma``.

    Example:
        >>> noise = GaussianNoise(0.1)
        >>> images = torch.zeros(2, 1, 28, 28)
        >>> bool((noise(images) != 0).any()), bool((noise.eval()(images) != 0).any())
        (True, False)
    """

    def __init__(self, sigma: float = 0.1) -> None:
        super().__init__()
        if sigma < 0:
            raise ValueError(f"sigma must not be negative, got {sigma}")
        self.sigma = sigma

    def forward(self, images: Tensor) -> Tensor:
        """Return a noisy copy; in evaluation mode the input itself."""
        if not self.training or self.sigma == 0:
            return images
        return images + self.sigma * torch.randn_like(images)

    def extra_repr(self) -> str:
        """Say the strength in the printed model."""
        return f"sigma={self.sigma}"


def _check_batch(images: Tensor) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            "expected a floating-point batch of shape (N, C, H, W), got "
            f"{images.dtype} of shape {tuple(images.shape)}"
        )


def move(images: Tensor, angles: Tensor, shifts: Tensor, *, fill: float = 0.0) -> Tensor:
    """Rotate each image about its centre by its own angle, then shift it; bilinear.

    Spatial transformer of Jaderberg, Simonyan, Zisserman, Kavukcuoglu, NeurIPS 2015,
    arXiv:1506.02025: for every output pixel the grid says where in the input to look, so it
    holds the inverse of the movement.

    Args:
        images: ``(N, C, H, W)``, floating point.
        angles: ``(N,)`` in degrees, clockwise.
        shifts: ``(N, 2)`` in pixels, to the right and down.
        fill: what comes in from outside of the image: the value of the background.

    Returns:
        A new tensor ``(N, C, H, W)`` of the same dtype.

    Raises:
        ValueError: for other shapes, or for images of integers.

    Example:
        >>> images = torch.zeros(1, 1, 3, 3)
        >>> images[0, 0, 1, 1] = 1.0
        >>> move(images, torch.zeros(1), torch.tensor([[1.0, 0.0]]))[0, 0, 1]
        tensor([0., 0., 1.])
    """
    _check_batch(images)
    n, _, height, width = images.shape
    if angles.shape != (n,) or shifts.shape != (n, 2):
        raise ValueError(
            f"expected angles ({n},) and shifts ({n}, 2), got {tuple(angles.shape)} and "
            f"{tuple(shifts.shape)}"
        )
    radians = angles.to(images.dtype) * (math.pi / 180)
    cos, sin = radians.cos(), radians.sin()
    right, down = shifts.to(images.dtype).unbind(dim=1)
    # affine_grid measures in half images: -1 to 1 is the width, or the height.
    row_x = (cos, sin * height / width, -(cos * right + sin * down) * 2 / width)
    row_y = (-sin * width / height, cos, (sin * right - cos * down) * 2 / height)
    theta = torch.stack([torch.stack(row_x, dim=1), torch.stack(row_y, dim=1)], dim=1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    # grid_sample brings in zeros from outside, so the background must be zero meanwhile.
    return F.grid_sample(images - fill, grid, align_corners=False) + fill


class RandomMove(nn.Module):
    """Rotate and shift each image of a batch by a random amount of its own; training mode only.

    Shapes: ``(N, C, H, W)``, the same in and out.

    Args:
        degrees: the angle is uniform in ``[-degrees, degrees]``.
        translate: shifts are uniform up to this fraction of the width and of the height, in
            both directions.
        fill: what comes in from outside: the value of the background.

    Raises:
        ValueError: for negative ``degrees`` or ``translate``.

    Example:
        >>> RandomMove(15, 0.1)(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 1, 28, 28])
    """

    def __init__(self, degrees: float = 15.0, translate: float = 0.1, fill: float = 0.0) -> None:
        super().__init__()
        if degrees < 0 or translate < 0:
            raise ValueError(
                f"degrees and translate must not be negative, got {degrees} and {translate}"
            )
        self.degrees, self.translate, self.fill = degrees, translate, fill

    def forward(self, images: Tensor) -> Tensor:
        """Return moved copies; in evaluation mode the input itself."""
        _check_batch(images)
        if not self.training or (self.degrees == 0 and self.translate == 0):
            return images
        n, _, height, width = images.shape
        draw = 2 * torch.rand(n, 3, device=images.device) - 1  # uniform in [-1, 1)
        reach = torch.tensor([width, height], device=images.device) * self.translate
        return move(images, draw[:, 0] * self.degrees, draw[:, 1:] * reach, fill=self.fill)

    def extra_repr(self) -> str:
        """Say the settings in the printed model."""
        return f"degrees={self.degrees}, translate={self.translate}, fill={self.fill:g}"


def augmented_loaders(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    augment: Callable[[Tensor], Tensor],
    *,
    batch_size: int = 64,
    seed: int = 0,
) -> tuple[TensorLoader, TensorLoader]:
    """Return a shuffling, augmenting loader for training and a plain one for testing.

    The training images are augmented anew in every pass. The test images come as they are and in
    order.

    Args:
        train: images ``(N, C, H, W)`` and labels ``(N,)``.
        test: the same for the test set.
        augment: called with a batch of training images, returns the batch to train on.
        batch_size: examples in a batch.
        seed: of the training order.

    Example:
        >>> part = (torch.zeros(6, 1, 28, 28), torch.arange(6))
        >>> train_loader, test_loader = augmented_loaders(
        ...     part, part, RandomMove(), batch_size=4
        ... )
        >>> [tuple(images.shape) for images, labels in train_loader]
        [(4, 1, 28, 28), (2, 1, 28, 28)]
    """
    train_loader = TensorLoader(
        *train,
        batch_size=batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
        transform=lambda images, labels: (augment(images), labels),
    )
    return train_loader, TensorLoader(*test, batch_size=batch_size)
