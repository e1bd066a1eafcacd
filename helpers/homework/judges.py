"""Read the notes of :mod:`helpers.homework.probes` and say what is wrong, in words.

A judge yields one sentence for each fault that it finds; no sentence means that the answer is
right. It knows the answer's numbers only, never its code. Limits on random quantities are five
standard errors or more, so that a right answer fails less than once in a hundred thousand seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from helpers.homework import probes
from helpers.homework.probes import Notes

Faults = Iterator[str]


def _forbidden(notes: Notes, names: frozenset[str]) -> Faults:
    for name in names.intersection(notes["used"]):
        yield f"{name.strip('_')} is used, which the task does not allow"


def _is_like(value: Tensor, shape: tuple[int, ...], dtype: torch.dtype, what: str) -> Faults:
    if tuple(value.shape) != tuple(shape):
        yield f"{what} has shape {tuple(value.shape)} instead of {tuple(shape)}"
    elif value.dtype != dtype:
        yield f"{what} has dtype {value.dtype} for an input of {dtype}"


def _worst(value: Tensor, expected: Tensor) -> float:
    """Return the largest error relative to the expected size; NaN counts as infinite."""
    value, expected = value.double(), expected.double()
    error = (value - expected).abs() / expected.abs().clamp_min(1e-30)
    return error.where(value != expected, 0.0).nan_to_num(math.inf).max().item()


# -- parts 1 and 2: tanh -------------------------------------------------------------------------


def _tanh_values(notes: Notes, seed: int) -> Faults:
    for bits, dtype, limit in ((32, torch.float32, 1e-5), (64, torch.float64, 1e-12)):
        z, y = probes.tanh_points(seed, dtype), notes[f"y{bits}"]
        wrong_kind = list(_is_like(y, z.shape, dtype, "the output"))
        if wrong_kind:
            yield from wrong_kind
            continue
        expected = torch.tanh(z.double())
        for mask, where in (
            (z.abs() == 1000, "at z = ±1000"),
            (z == 0, "at z = 0"),
            ((z.abs() < 0.1) & (z != 0), "near zero, where the digits are lost"),
            ((z.abs() >= 0.1) & (z.abs() <= 6), "between 0.1 and 6"),
            ((z.abs() > 6) & (z.abs() < 1000), "between 6 and 1000"),
        ):
            if _worst(y[mask], expected[mask]) > limit:
                yield f"tanh is wrong {where} ({bits} bits, relative error above {limit:g})"


def _tanh_gradient(notes: Notes, seed: int) -> Faults:
    z, grad_y, _ = probes.tanh_case(seed)
    expected = grad_y * (1 - torch.tanh(z) ** 2)
    again = ", when a block is used again"
    for name, dtype, limit, when in (
        ("grad", torch.float64, 1e-9, ""),
        ("grad32", torch.float32, 1e-4, again),
    ):
        if name not in notes:
            continue
        wrong_kind = list(_is_like(notes[name], z.shape, dtype, "the gradient"))
        yield from wrong_kind
        if wrong_kind:
            continue
        error = (notes[name].double() - expected).abs().nan_to_num(math.inf).max()
        if error > limit:
            yield f"the gradient for z is not grad_y · (1 - tanh² z), in {dtype}{when}"
    if not torch.equal(notes["grad_y"], grad_y):
        yield "backward changes the gradient that it was given, in place"
    if not torch.equal(notes["z"], z):
        yield "forward changes its input in place"


def tanh_block(notes: Notes, seed: int) -> Faults:
    """Values to full precision, the gradient, nothing changed in place, exponentials only."""
    yield from _forbidden(notes, probes.RELATIVES)
    if notes["autograd"]:
        yield "autograd computes the gradient: backward must do it by itself"
    yield from _tanh_values(notes, seed)
    yield from _tanh_gradient(notes, seed)


def tanh(notes: Notes, seed: int) -> Faults:
    """As for the block; and a Function of one's own, with a first and a second derivative."""
    yield from _forbidden(notes, probes.RELATIVES)
    if not notes["own"]:
        yield "the output does not come from an autograd.Function of your own"
    elif notes["foreign"] or notes["autograd"]:
        which = f" ({', '.join(notes['foreign'])})" if notes["foreign"] else ""
        yield f"autograd differentiates a part of the formula{which}: backward must do all of it"
    yield from _tanh_values(notes, seed)
    yield from _tanh_gradient(notes, seed)
    z, grad_y, direction = probes.tanh_case(seed)
    if isinstance(notes["second"], str):
        yield f"there is no second derivative: {notes['second']}"
        return
    y = torch.tanh(z)
    for name, expected in (
        ("second", direction * grad_y * -2 * y * (1 - y**2)),
        ("second_of_grad", direction * (1 - y**2)),
    ):
        if notes[name].shape != z.shape or not torch.allclose(notes[name], expected, atol=1e-9):
            infinite = not notes[name].isfinite().all()
            yield "the second derivative is " + ("not finite for large z" if infinite else "wrong")
            return


# -- parts 3 and 4: augmentation -----------------------------------------------------------------


def _transform(notes: Notes, k: int, images: Tensor) -> Faults:
    """Return what is wrong in what noise and movement have in common."""
    first, few = notes[f"first{k}"], images[: len(notes[f"input{k}"])]
    wrong_kind = list(_is_like(first, images.shape, images.dtype, "the output"))
    yield from wrong_kind
    if not torch.equal(notes[f"input{k}"], few):
        yield "the input is changed in place"
    if not torch.equal(notes[f"eval{k}"], few):
        yield "images are changed in evaluation mode"
    if wrong_kind:
        return
    if torch.equal(notes[f"second{k}"], first[: len(few)]):
        yield "the second call draws nothing new"
    if not torch.equal(notes[f"again{k}"], first[: len(few)]):
        yield "not reproducible under torch.manual_seed"
    if notes[f"mixed{k}"]:
        yield "random numbers are drawn on the CPU, whatever the device of the images"
    if (double := notes[f"double{k}"]) != "torch.float64":
        yield f"images of float64 do not give images of float64 but {double}"


def _correlation(rows: Tensor) -> float:
    """Return the largest correlation between two different rows."""
    matrix = torch.corrcoef(rows.double()).nan_to_num(1.0)
    return matrix.fill_diagonal_(0.0).abs().max().item()


def noise(notes: Notes, seed: int) -> Faults:
    """Strength, mean, normality, independence, no clipping; for two strengths."""
    yield from _forbidden(notes, frozenset({"torchvision"}))
    images = probes.noise_images()
    for k, sigma in enumerate(probes.SIGMAS):
        common = list(_transform(notes, k, images))
        yield from common
        if notes[f"first{k}"].shape != images.shape:
            return
        drawn = (notes[f"first{k}"] - images).double() / sigma
        for value in (-0.42, 2.8):
            part = drawn[images == value]
            if abs(part.mean()) > 0.05:
                yield f"mean {part.mean() * sigma:.3f} on pixels of {value}: clipped?"
            if not abs(part.std() - 1) < 0.04:
                yield f"deviation {part.std() * sigma:.3f} instead of {sigma}"
            elif part.min() > -3 or part.max() < 3 or abs((part**4).mean() - 3) > 0.4:
                yield "the noise is not normal, or clipped"
        n, channels, height, width = images.shape
        for rows, limit, what in (
            (drawn.reshape(n * channels, -1), 0.25, "two pictures"),
            (drawn.transpose(0, 2).reshape(height, -1), 0.12, "two rows"),
            (drawn.transpose(0, 3).reshape(width, -1), 0.12, "two columns"),
        ):
            if _correlation(rows) > limit:
                yield f"the noise of {what} is not independent"


def _centres(images: Tensor, fill: float) -> Tensor:
    """Return the centres of the ink, ``(n, pictures, 2)``, in pixels from the middle: x, y."""
    ink = (images - fill).double()
    side = images.shape[-1]
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    total = ink.sum(dim=(2, 3))
    return torch.stack([(ink.sum(2) * axis).sum(2), (ink.sum(3) * axis).sum(2)], dim=2) / (
        total.unsqueeze(2)
    )


def _uniform(values: Tensor, most: float, slack: float, steps: int, what: str) -> Faults:
    """Say whether values are spread evenly and continuously over ±most."""
    n = len(values)
    reached = values.abs().max().item()
    ordered = (values.sort().values / most + 1) / 2
    gap = (ordered - torch.linspace(0, 1, n, dtype=values.dtype)).abs().max().item()
    if not reached < most + slack:
        yield f"{what} of {reached:.1f} is drawn, although {most:.1f} is the most"
    elif not values.std() > 0.02 * most:
        yield f"{what} is the same for all images"
    elif gap > 2.7 / math.sqrt(n) or min(values.max(), -values.min()) < (1 - 33 / n) * most:
        yield f"{what} is not uniform between -{most:.1f} and {most:.1f}"
    elif (values / most * steps).round().unique().numel() < 1.5 * steps:
        yield f"{what} takes a few values only: it must be continuous"


def _filled(moved: Tensor, angle: Tensor, shift: Tensor, fill: float) -> bool:
    """Tell whether a picture full of ink is followed by ``fill``, where its border moved in."""
    side = moved.shape[-1]
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    x = axis[None, None, :] - shift[:, 0, None, None]
    y = axis[None, :, None] - shift[:, 1, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    reach = torch.maximum((cos * x + sin * y).abs(), (cos * y - sin * x).abs())
    inside = (moved - fill - probes.INK).abs()[reach < side / 2 - 0.8]
    outside = (moved - fill).abs()[reach > side / 2 + 0.8]
    return bool(inside.max() < 0.01 and outside.max() < 0.01)


def _moves(moved: Tensor, degrees: float, translate: float, fill: float) -> Faults:
    """Find each image's own angle and shift in its three spots, and judge them."""
    if (moved[:, 4] - fill).abs().max() > 1e-4:
        yield "what comes in from outside is not `fill`: an empty picture does not stay empty"
        return
    centres = _centres(moved[:, :3], fill)
    shift = centres[:, 0]
    right, below = centres[:, 1] - shift, centres[:, 2] - shift
    angle = torch.atan2(right[:, 1], right[:, 0])
    twisted = (below - torch.stack([-right[:, 1], right[:, 0]], dim=1)).norm(dim=1)
    if not ((right.norm(dim=1) - probes.SPOT).abs().max() < 0.15 and twisted.max() < 0.2):
        yield "not a rotation: lengths or right angles change, or pictures of one image part"
        return
    most = moved.shape[-1] * translate
    turned = torch.rad2deg(angle)
    draws = (turned / degrees, shift[:, 0] / most, shift[:, 1] / most)
    yield from _uniform(turned, degrees, 0.7, 50, "an angle")
    outside = shift.abs().max() > most + 0.1
    for values, way in ((shift[:, 0], "sideways"), (shift[:, 1], "up or down")):
        yield from _uniform(values, most, 0.1, 50, f"a shift {way}")
    if outside:
        yield "is it rotated about the centre first, and then shifted?"
    table = torch.stack(draws)
    limit = 5.5 / math.sqrt(len(moved))
    if max(_correlation(table), _correlation(table.abs())) > limit:
        yield "angle and shifts are not drawn independently of each other"
    neighbours = max(_correlation(torch.stack([row[1:], row[:-1]])) for row in table)
    if neighbours > limit or (1e6 * table).round().unique(dim=1).shape[1] < len(moved):
        yield "the images of a batch are not moved independently of each other"
    if not _filled(moved[:, 3], angle, shift, fill):
        yield "what comes in from outside is not `fill`, or ink is lost"
    if moved[:, :3].min() < fill - 0.01 or moved[:, :3].max() > fill + 1.01:
        yield "values outside of the range of the image"


def move(notes: Notes, seed: int) -> Faults:
    """Angles, shifts, their order and independence, background; under two settings."""
    yield from _forbidden(notes, frozenset({"torchvision"}))
    for k, (degrees, translate, fill, n, side) in enumerate(probes.MOVES):
        images = probes.move_images(n, fill, side)
        yield from _transform(notes, k, images)
        if notes[f"first{k}"].shape != images.shape:
            return
        yield from _moves(notes[f"first{k}"], degrees, translate, fill)
    still = probes.move_images(4, 0.0, 28)
    if notes["still"].shape != still.shape or (notes["still"] - still).abs().max() > 1e-3:
        yield "images move although degrees and translate are 0"


# -- part 5: loaders -----------------------------------------------------------------------------


def _batches(count: int, size: int = probes.BATCH) -> list[int]:
    full, rest = divmod(count, size)
    return [size] * full + [rest] * (rest > 0)


def loaders(notes: Notes, seed: int) -> Faults:
    """Only the training images are augmented, anew in each pass, and keep their labels."""
    images, labels = probes.loader_data()
    train = labels[: probes.TRAIN]
    if sum(notes["calls"]) != 2 * probes.TRAIN:
        yield "each pass must augment each training image once"
    elif len(notes["calls"]) > 2 * len(_batches(probes.TRAIN)):
        yield "augment gets single pictures: it must get batches"
    for k in (0, 1):
        x, y = notes[f"x{k}"], notes[f"y{k}"]
        if y.is_floating_point():
            yield f"the labels come as {y.dtype}: they must stay what they were"
            return
        if not torch.equal(y.sort().values, train):
            yield "each training example must come once a pass, with its label"
        elif not torch.equal(x, images[y] + probes.MARK):
            yield "training images are not augmented, or their labels are mixed up"
    together = max(int((notes[y].diff() == 1).sum()) for y in ("y0", "y1"))
    if torch.equal(notes["y0"], notes["y1"]) or together > probes.TRAIN / 2:
        yield "the training order is not drawn anew in each pass"
    if len(set(notes["drawn"])) < len(notes["drawn"]):
        yield "augment draws the same for several batches: something seeds it anew"
    if not torch.equal(notes["again"], notes["y1"]):
        yield "not reproducible: the order must come from the seed alone"
    if torch.equal(notes["other"], notes["y0"]):
        yield "the seed is ignored: two seeds give one order"
    if torch.equal(notes["after0"], notes["after1"]):
        yield "torch's global generator is seeded anew: use a generator of your own"
    test = slice(probes.TRAIN, None)
    if not torch.equal(notes["test_y"], labels[test]):
        yield "the test set must come whole and in order"
    elif not torch.equal(notes["test_x"], images[test]):
        yield "the test images are changed"
    if notes["test_calls"]:
        yield "augment is called for the test images"
    expected = [_batches(probes.TRAIN), _batches(probes.TEST)]
    if [notes["sizes0"], notes["test_sizes"]] != expected:
        yield f"batches of {notes['sizes0']} and {notes['test_sizes']} instead of {expected}"
    if notes["lengths"] != [len(sizes) for sizes in expected]:
        yield "len() of a loader must be its number of batches"
    if notes["defaults"] != [_batches(probes.TRAIN, 64), _batches(probes.TEST, 64), True]:
        found = notes["defaults"] if isinstance(notes["defaults"], str) else "others"
        yield f"without them, batch_size must be 64 and seed 0: {found}"
