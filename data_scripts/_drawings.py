"""A pen for drawn pictures, and ants and bees on photographs of lawns, gravel and flowers."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ._images import package_file

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Colour = tuple[int, ...]
# Ants are brown, red or black, some yellow; bees are striped, some nearly black: colour alone
# does not tell them apart.
_ANT = ((35, 25, 20), (90, 40, 25), (130, 60, 30), (25, 25, 30), (175, 120, 45))
_BEE = ((200, 150, 50), (175, 120, 45), (120, 85, 40), (90, 60, 35), (60, 45, 30))
_WING = (225, 230, 235, 110)


def insect(kind: str, rng: np.random.Generator) -> bytes:
    """Draw one insect and encode it.

    Args:
        kind: `"ants"` or `"bees"`.
        rng: for place, size, direction, colours, background and the size of the picture.

    Returns:
        A JPEG file, RGB, 140 to 300 pixels a side.
    """
    from PIL import ImageEnhance

    width, height = (int(n) for n in rng.integers(140, 301, 2))
    # Bees sit on flowers and grass more often than ants, as they do in photographs.
    coloured = rng.random() < (0.6 if kind == "bees" else 0.4)
    photos = list(grounds().values())
    ground = photos[int(rng.integers(0, 2) if coloured else rng.integers(2, 5))]
    left = int(rng.integers(0, ground.width - width + 1))
    top = int(rng.integers(0, ground.height - height + 1))
    scene = ground.crop((left, top, left + width, top + height))
    scene = ImageEnhance.Brightness(scene).enhance(float(rng.uniform(0.6, 1.2)))

    pen = Pen(float(rng.uniform(0.04, 0.08)) * min(width, height), float(rng.uniform(0, math.tau)))
    (_ant if kind == "ants" else _bee)(pen, rng)
    sheet = pen.finished()
    shift_x, shift_y = (float(n) for n in rng.uniform(-0.12, 0.12, 2))
    place = (
        int(width * (0.5 + shift_x) - sheet.width / 2),
        int(height * (0.5 + shift_y) - sheet.height / 2),
    )
    scene.paste(sheet, place, sheet)
    file = io.BytesIO()
    scene.save(file, "JPEG", quality=85)
    return file.getvalue()


def no_picture() -> bytes:
    """A GIF file that says that there is no picture, as servers send one."""
    from PIL import Image, ImageDraw

    sheet = Image.new("L", (300, 300), 245)
    ImageDraw.Draw(sheet).text((80, 140), "Image not found", fill=120)
    file = io.BytesIO()
    sheet.save(file, "GIF")
    return file.getvalue()


@functools.cache
def grounds() -> dict[str, Image.Image]:
    """Photographs to stand on, two coloured ones first; all at least 400 pixels wide."""
    from PIL import Image, ImageOps

    def photograph(package: str, path: str) -> Image.Image:
        with Image.open(package_file(package, path)) as found:
            return found.convert("RGB")

    def tinted(name: str, dark: str, light: str) -> Image.Image:
        grey = photograph("skimage", f"data/{name}.png").convert("L")
        return ImageOps.colorize(grey, dark, light)

    return {
        "flower": photograph("sklearn", "datasets/images/flower.jpg"),
        "grass": tinted("grass", "#1e3010", "#b9cf86"),
        "sand": tinted("gravel", "#40362b", "#e0d4c0"),
        "brick": tinted("brick", "#4a2d22", "#d9b39a"),
        "gravel": tinted("gravel", "#303030", "#d8d8d8"),
    }


class Pen:
    """Draws in the frame of a thing that is about ten units long and looks along x.

    Args:
        unit: pixels a unit.
        angle: direction of the thing in radians.
        mirrored: it looks against x.
    """

    _FINE = 2  # drawn so many times larger and shrunk, for smooth edges

    def __init__(self, unit: float, angle: float, *, mirrored: bool = False) -> None:
        from PIL import Image, ImageDraw

        self.unit = unit * self._FINE
        self.turn = (math.cos(angle), math.sin(angle))
        self.sense = -1 if mirrored else 1
        self.side = 2 * math.ceil(7 * unit)
        self.sheet = Image.new("RGBA", (self.side * self._FINE,) * 2, (0, 0, 0, 0))
        self.draw = ImageDraw.Draw(self.sheet)

    def finished(self) -> Image.Image:
        """What was drawn, on a clear square sheet with its middle in the centre."""
        from PIL import Image

        return self.sheet.resize((self.side, self.side), Image.Resampling.BOX)

    def _places(self, points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        (cos, sin), half = self.turn, self.sheet.width / 2
        turned = [(self.sense * (cos * x - sin * y), sin * x + cos * y) for x, y in points]
        return [(half + self.unit * x, half + self.unit * y) for x, y in turned]

    def line(self, points: Iterable[tuple[float, float]], width: float, fill: Colour) -> None:
        """Draw a line through points."""
        self.draw.line(self._places(points), fill, max(2, round(width * self.unit)))

    def shape(self, points: Iterable[tuple[float, float]], fill: Colour) -> None:
        """Fill a polygon."""
        self.draw.polygon(self._places(points), fill)

    def oval(self, x: float, y: float, a: float, b: float, fill: Colour, tilt: float = 0) -> None:
        """Draw an ellipse with half-axes `a` and `b`, turned by `tilt` radians."""
        cos, sin = math.cos(tilt), math.sin(tilt)
        around = [(a * math.cos(t / 4), b * math.sin(t / 4)) for t in range(25)]
        self.shape([(x + cos * u - sin * v, y + sin * u + cos * v) for u, v in around], fill)


def pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    """One of several colours, shaded."""
    return shade(colours[int(rng.integers(len(colours)))], rng)


def shade(colour: Colour, rng: np.random.Generator) -> Colour:
    """A colour a little lighter or darker in each channel."""
    return tuple(int(min(255, c * rng.uniform(0.8, 1.25))) for c in colour)


def _legs(pen: Pen, x: float, reach: float, ink: Colour, rng: np.random.Generator) -> None:
    for spread in (-0.8, 0.0, 0.8):
        for side in (-1, 1):
            bend = spread + float(rng.uniform(-0.2, 0.2))
            knee = (x + bend * reach * 0.5, side * reach * 0.6)
            foot = (x + bend * reach * 1.1, side * reach)
            pen.line([(x, 0), knee, foot], 0.07 * reach, ink)


def _ant(pen: Pen, rng: np.random.Generator) -> None:
    ink = pick(_ANT, rng)
    _legs(pen, 0, 3.6, ink, rng)
    for side in (-1, 1):  # feelers with an elbow
        pen.line([(3.3, 0), (4.6, 1.5 * side), (5.8, 2.2 * side)], 0.25, ink)
    pen.oval(-3.1, 0, 1.9, float(rng.uniform(1.0, 1.5)), ink)
    pen.oval(0, 0, 1.4, 0.7, ink)
    pen.oval(2.6, 0, 1.2, 1.0, ink)


def _bee(pen: Pen, rng: np.random.Generator) -> None:
    body, dark = pick(_BEE, rng), shade((35, 28, 22), rng)
    _legs(pen, 1, 2.6, dark, rng)
    half = float(rng.uniform(1.7, 2.2))
    pen.oval(-2.4, 0, 2.6, half, body)
    for x in (-3.9, -2.7, -1.5):  # stripes
        reach = half * math.sqrt(1 - ((x + 2.4) / 2.6) ** 2)
        pen.line([(x, -reach), (x, reach)], 0.6, dark)
    pen.oval(1.2, 0, 1.6, 1.6, body)
    pen.oval(3.2, 0, 0.9, 1.2, dark)
    swept = float(rng.uniform(0.3, 0.9))
    for side in (-1, 1):  # clear wings
        pen.oval(-0.2, 2.4 * side, 2.4, 0.9, _WING, tilt=-swept * side)
