"""Drawn things of CIFAR-10's ten classes, 32×32 pixels, on skies and photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ._drawings import Colour, Pen, grounds, pick, shade

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SIDE = 32
# How often a class stands before the sky; else on the ground that is named, or on any.
# Colours say something about the class, as they do in the photographs, and not everything.
_SKY = {"airplane": 0.8, "bird": 0.35, "ship": 0.7}
_HOME = {
    "automobile": "gravel",
    "bird": "grass",
    "cat": "brick",
    "deer": "grass",
    "dog": "sand",
    "frog": "flower",
    "horse": "grass",
    "truck": "gravel",
}
_FUR: tuple[Colour, ...] = ((60, 45, 35), (150, 110, 70), (200, 180, 150), (40, 40, 45))
_PAINT: tuple[Colour, ...] = ((180, 30, 30), (225, 225, 230), (40, 60, 140), (30, 30, 35))
_DARK = (25, 25, 28)


def pictures(count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw pictures of all classes in turn.

    Args:
        count: number of pictures.
        rng: for place, size, pose, colours and background.

    Returns:
        uint8 (N, 3, 32, 32) and labels, int64 (N,).
    """
    import numpy as np
    import torch

    labels = rng.permutation(np.arange(count) % len(CLASSES))
    drawn = np.stack([np.asarray(_picture(CLASSES[label], rng)) for label in labels])
    images = torch.from_numpy(drawn).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(labels.astype(np.int64))


def _picture(name: str, rng: np.random.Generator) -> Image.Image:
    scene = _sky(rng) if rng.random() < _SKY.get(name, 0.0) else _ground(name, rng)
    pen = Pen(float(rng.uniform(1.7, 2.9)), float(rng.normal(0, 0.15)), mirrored=rng.random() < 0.5)
    _DRAW[name](pen, rng)
    sheet = pen.finished()
    place = [int((SIDE - sheet.width) / 2 + s) for s in rng.uniform(-4, 4, 2)]
    scene.paste(sheet, (place[0], place[1]), sheet)
    return scene


def _sky(rng: np.random.Generator) -> Image.Image:
    """A gradient from above to the horizon: mostly blue, at times grey or red."""
    import numpy as np
    from PIL import Image

    top = np.array(((70, 120, 210), (110, 160, 230), (150, 160, 170), (190, 120, 90)))
    chosen = top[rng.choice(4, p=(0.4, 0.3, 0.2, 0.1))] * rng.uniform(0.7, 1.1)
    pale = np.linspace(0, rng.uniform(0.1, 0.6), SIDE)[:, None, None]
    rows = chosen * (1 - pale) + 240 * pale + rng.normal(0, 5, (SIDE, SIDE, 3))
    return Image.fromarray(rows.clip(0, 255).astype(np.uint8))


def _ground(name: str, rng: np.random.Generator) -> Image.Image:
    from PIL import Image, ImageEnhance

    photos = grounds()
    at_home = name in _HOME and rng.random() < 0.5
    photo = photos[_HOME[name] if at_home else list(photos)[int(rng.integers(len(photos)))]]
    size = int(rng.integers(SIDE, 160))
    left, top = (int(rng.integers(0, side - size + 1)) for side in photo.size)
    crop = photo.resize(
        (SIDE, SIDE), Image.Resampling.BOX, box=(left, top, left + size, top + size)
    )
    return ImageEnhance.Brightness(crop).enhance(float(rng.uniform(0.6, 1.2)))


def _airplane(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(((225, 228, 232), (160, 165, 175), (90, 95, 105)), rng)
    pen.oval(0, 0, 6, 0.9, ink)
    span = float(rng.uniform(2.5, 5))
    pen.shape([(1.5, 0), (-1, -span), (-2, -span), (-1, 0)], ink)
    pen.shape([(1.5, 0), (-1, span), (-2, span), (-1, 0)], ink)
    pen.shape([(-4.5, 0), (-6, -2.2), (-5, 0)], ink)


def _automobile(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(_PAINT, rng)
    pen.shape([(-6, 2), (-6, 0), (6, 0), (6, 2)], ink)
    pen.shape([(-4, 0), (-2.5, -2.2), (2, -2.2), (3.8, 0)], ink)
    pen.shape([(-3, -0.2), (-2, -1.7), (1.6, -1.7), (2.8, -0.2)], (170, 200, 215))
    for x in (-3.5, 3.5):
        pen.oval(x, 2, 1.3, 1.3, _DARK)


def _bird(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(((60, 50, 45), (150, 100, 60), (200, 205, 210), (40, 70, 130)), rng)
    pen.oval(0, 0, 3.4, 2.0, ink)
    pen.oval(3.2, -1.8, 1.3, 1.3, ink)
    pen.shape([(4.3, -2), (5.8, -1.5), (4.3, -1.3)], (220, 160, 40))
    pen.shape([(-3, 0), (-6, 1.2), (-3, 1)], ink)
    if rng.random() < 0.5:  # a raised wing
        pen.shape([(1, -0.5), (-2, -5), (-2.5, -0.5)], shade(ink, rng))
    for x in (-0.5, 0.8):
        pen.line([(x, 1.8), (x, 3.6)], 0.3, (200, 140, 60))


def _beast(
    pen: Pen, ink: Colour, body: tuple[float, float], legs: float, neck: tuple[float, float]
) -> tuple[float, float]:
    """Draw trunk, four legs and neck; return where the head belongs."""
    long, high = body
    pen.oval(0, 0, long, high, ink)
    for x in (-0.8 * long, -0.55 * long, 0.55 * long, 0.8 * long):
        pen.line([(x, 0), (x, high + legs)], 0.7, ink)
    head = (0.8 * long + neck[0], -0.3 * high - neck[1])
    pen.line([(0.8 * long, -0.3 * high), head], 1.4, ink)
    return head


def _cat(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(_FUR, rng)
    x, y = _beast(pen, ink, (3.4, 1.7), 1.6, (0.8, 1.2))
    pen.oval(x, y, 1.6, 1.4, ink)
    for side in (-1, 1):  # pointed ears
        pen.shape(
            [(x + 0.3 * side, y - 1), (x + 1.3 * side, y - 1), (x + 1.1 * side, y - 2.6)], ink
        )
    pen.line([(-3.2, -0.3), (-5, -1.5), (-4.8, -4)], 0.6, ink)


def _deer(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(((150, 105, 65), (175, 130, 85), (120, 85, 60)), rng)
    x, y = _beast(pen, ink, (3.4, 1.6), 3.4, (1.2, 3))
    pen.oval(x + 0.6, y, 1.3, 0.8, ink)
    for lean in (-1.2, 0.8):  # antlers
        pen.line([(x, y - 0.6), (x + lean, y - 3), (x + lean * 2, y - 3.6)], 0.35, (90, 65, 45))


def _dog(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(_FUR, rng)
    x, y = _beast(pen, ink, (3.6, 1.7), 2.4, (0.8, 1.4))
    pen.oval(x + 0.3, y, 1.3, 1.2, ink)
    pen.oval(x + 1.6, y + 0.3, 1.1, 0.7, ink)
    pen.oval(x - 0.7, y + 0.6, 0.6, 1.4, shade((45, 35, 30), rng))  # a hanging ear
    pen.line([(-3.4, -0.4), (-5.2, -2.4)], 0.7, ink)


def _frog(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(((70, 130, 50), (110, 120, 50), (120, 90, 60)), rng)
    pen.oval(0, 0.8, 3.6, 2.4, ink)
    for side in (-1, 1):
        pen.oval(3.4 * side, 2.2, 1.8, 1, ink, tilt=0.5 * side)
        pen.oval(1.6 * side, -1.5, 1, 1, ink)
        pen.oval(1.6 * side, -1.6, 0.5, 0.5, (235, 210, 90))


def _horse(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(((110, 65, 40), (60, 40, 30), (200, 190, 180)), rng)
    x, y = _beast(pen, ink, (3.8, 1.9), 3.2, (1.4, 2.6))
    pen.oval(x + 0.7, y + 0.3, 1.7, 0.9, ink, tilt=0.5)
    pen.line([(x - 0.3, y - 0.8), (2.4, -1)], 0.9, shade((30, 25, 25), rng))  # mane
    pen.line([(-3.6, -0.6), (-5, 2.6)], 0.9, shade((30, 25, 25), rng))


def _ship(pen: Pen, rng: np.random.Generator) -> None:
    pen.shape([(-9, 2.4), (9, 2.4), (9, 9), (-9, 9)], shade((40, 80, 120), rng))  # water
    pen.shape([(-6, 0.4), (6.5, 0.4), (5, 2.8), (-5, 2.8)], pick(_PAINT, rng))
    pen.shape([(-3, 0.4), (-3, -1.4), (2.5, -1.4), (2.5, 0.4)], (230, 230, 232))
    pen.shape([(-1, -1.4), (-1, -3.4), (0.4, -3.4), (0.4, -1.4)], pick(_PAINT, rng))


def _truck(pen: Pen, rng: np.random.Generator) -> None:
    pen.shape([(-6, 2), (-6, -3.4), (2, -3.4), (2, 2)], pick(_PAINT, rng))
    pen.shape([(2.2, 2), (2.2, -1.8), (4.6, -1.8), (6, 0.2), (6, 2)], pick(_PAINT, rng))
    pen.shape([(3, -0.2), (3, -1.4), (4.4, -1.4), (5.2, -0.2)], (170, 200, 215))
    for x in (-4, -1.6, 4):
        pen.oval(x, 2.2, 1.2, 1.2, _DARK)


_DRAW: dict[str, Callable[[Pen, np.random.Generator], None]] = {
    "airplane": _airplane,
    "automobile": _automobile,
    "bird": _bird,
    "cat": _cat,
    "deer": _deer,
    "dog": _dog,
    "frog": _frog,
    "horse": _horse,
    "ship": _ship,
    "truck": _truck,
}
