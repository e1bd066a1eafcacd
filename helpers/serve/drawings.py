"""Cats and fish, drawn: pictures for a model that shall be served, not admired."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["KINDS", "draw", "jpeg"]

KINDS = ("cat", "fish", "dog")


def draw(kind: str, seed: int, side: int = 96) -> Image.Image:
    """Draw one animal at a random place, in random colours, on a random ground with noise.

    Args:
        kind: ``"cat"`` (a head with pointed ears), ``"fish"`` (a body with a tail) or ``"dog"``
            (a head with hanging ears and a snout).
        seed: decides everything that is random, from 0.
        side: width and height in pixels.

    Returns:
        A picture of mode RGB.

    Raises:
        ValueError: if the kind is unknown.

    Example:
        >>> draw("fish", seed=3).size
        (96, 96)
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: one of {', '.join(KINDS)}")
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    low, high = rng.integers(150, 256, (2, 3))  # a light ground, a darker animal
    ramp = np.linspace(0, 1, side)[None, :, None] * (high - low) + low
    ground = np.broadcast_to(ramp, (side, side, 3))
    picture = Image.fromarray(ground.astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    fill = tuple(int(v) for v in rng.integers(20, 130, 3))
    edge = tuple(v // 3 for v in fill)
    size = rng.uniform(0.18, 0.28) * side
    x, y = rng.uniform(0.38 * side, 0.62 * side, 2)
    turn = rng.uniform(-0.3, 0.3) + (math.pi if kind == "fish" and rng.random() < 0.5 else 0)

    def at(u: float, v: float) -> tuple[float, float]:
        """Turn a point given in units of the animal's size."""
        c, s = math.cos(turn), math.sin(turn)
        return x + size * (c * u - s * v), y + size * (s * u + c * v)

    def oval(u: float, v: float, a: float, b: float, color: tuple[int, ...]) -> None:
        steps = np.linspace(0, 2 * math.pi, 25)[:-1]
        pen.polygon([at(u + a * math.cos(t), v + b * math.sin(t)) for t in steps], color, edge)

    if kind == "fish":
        pen.polygon([at(0.8, 0), at(1.7, -0.7), at(1.7, 0.7)], fill, edge)
        oval(0, 0, 1.2, 0.6, fill)
        oval(-0.7, -0.15, 0.12, 0.12, edge)
    else:
        for sign in (-1, 1):
            if kind == "cat":
                pen.polygon(
                    [at(sign * 0.2, -0.8), at(sign * 0.95, -1.5), at(sign * 0.95, -0.3)],
                    fill,
                    edge,
                )
            else:
                oval(sign * 1.0, 0.2, 0.3, 0.9, fill)
        oval(0, 0, 1, 0.95, fill)
        for sign in (-1, 1):
            oval(sign * 0.4, -0.2, 0.13, 0.13, edge)
        if kind == "dog":
            oval(0, 0.5, 0.45, 0.35, edge)
    noisy = np.asarray(picture) + rng.normal(0, 10, (side, side, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    """Return a picture as the bytes of a JPEG file.

    Args:
        picture: of mode RGB or L.
        quality: of the compression, from 1 to 95.

    Example:
        >>> jpeg(draw("cat", seed=0))[:2].hex()
        'ffd8'
    """
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
