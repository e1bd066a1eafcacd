"""The homework: the model solution, and checks that have been seen to reject wrong answers."""

import ast
import json
import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torchvision.transforms import v2

from helpers import homework
from helpers.data import TensorLoader

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "11_homework.ipynb"
SEEDS = (0, 1, 2)


def lift_checks():
    """Return what the check cells of the notebook define, without running the notebook."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    tested = [
        "".join(c["source"])
        for c in cells
        if c["cell_type"] == "code" and "exercise-test" in c["metadata"].get("tags", [])
    ]
    start = next(text for text in sources if "env.start(" in text)
    imports = [n for n in ast.parse(start).body if isinstance(n, (ast.Import, ast.ImportFrom))]
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = [n for text in tested for n in ast.parse(text).body if isinstance(n, kinds)]
    names: dict = {"__name__": "checks"}
    module = ast.Module(body=[*imports, *defined], type_ignores=[])
    exec(compile(module, NOTEBOOK.name, "exec"), names)
    return names


CHECKS = lift_checks()
PARTS = {
    "check_tanh_block": homework.TanhBlock,
    "check_tanh": homework.Tanh,
    "check_noise": homework.GaussianNoise,
    "check_move": homework.RandomMove,
    "check_loaders": homework.make_loaders,
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("check", PARTS)
def test_the_model_solution_is_accepted(check, seed):
    assert re.fullmatch(r"Exercise \d: passed", CHECKS[check](PARTS[check], seed=seed))


# -- wrong answers: tanh -------------------------------------------------------------------------


def definition(z):
    return (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())


def cancels(z):
    return 1 - 2 / ((2 * z).exp() + 1)


def clamps(z):
    return definition(z.clamp(-3, 3))


def no_sign(z):
    return homework.stable_tanh(z.abs())


def nan_to_num(z):
    """Hide the overflow: wrong at both ends."""
    return definition(z).nan_to_num(0.0)


def single_only(z):
    return homework.stable_tanh(z.float())


def block(values=homework.stable_tanh, slope=lambda y: 1 - y**2):
    class Block:
        def forward(self, z):
            self.y = values(z)
            return self.y

        def backward(self, grad_y):
            return grad_y * slope(self.y)

    return Block


def layer(values=homework.stable_tanh, slope=lambda y: 1 - y**2):
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            y = values(z)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad_y):
            return grad_y * slope(ctx.saved_tensors[0])

    return as_module(Function.apply)


def as_module(function):
    class Layer(nn.Module):
        def forward(self, z):
            return function(z)

    return Layer


class ForgetsGradY(homework.TanhBlock):
    def backward(self, grad_y):
        return 1 - self.y**2


class SlopeOfSlope(homework.TanhBlock):
    """Take the derivative at the output."""

    def backward(self, grad_y):
        return grad_y * (1 - homework.stable_tanh(self.y) ** 2)


class SavesTheSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        y = homework.stable_tanh(z)
        ctx.save_for_backward(1 - y**2)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * ctx.saved_tensors[0]


class DetachesInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        y = homework.stable_tanh(z)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (1 - ctx.saved_tensors[0].detach() ** 2)


VALUES = (definition, cancels, clamps, no_sign, nan_to_num, single_only)
WRONG_BLOCKS = {
    **{f.__name__: block(f) for f in VALUES},
    "torch.tanh": block(torch.tanh),
    "Tensor.tanh": block(lambda z: z.tanh()),
    "nn.Tanh": block(nn.Tanh()),
    "no square": block(slope=lambda y: 1 - y),
    "plus": block(slope=lambda y: 1 + y**2),
    "grad_y forgotten": ForgetsGradY,
    "derivative at the output": SlopeOfSlope,
}
WRONG_LAYERS = {
    **{f.__name__: layer(f) for f in VALUES},
    "torch.tanh": layer(torch.tanh),
    "no square": layer(slope=lambda y: 1 - y),
    "saves the slope": as_module(SavesTheSlope.apply),
    "detaches": as_module(DetachesInBackward.apply),
    "no function of its own": as_module(homework.stable_tanh),
    "no module": homework.TanhBlock,
}


# -- wrong answers: noise ------------------------------------------------------------------------


def noise(change):
    """Return a noise layer that is right but for ``change(images, sigma)``."""

    class Noise(nn.Module):
        def __init__(self, sigma=0.1):
            super().__init__()
            self.sigma = sigma

        def forward(self, images):
            return change(images, self.sigma) if self.training else images

    return Noise


class NoisyInEvaluation(homework.GaussianNoise):
    def forward(self, images):
        return images + self.sigma * torch.randn_like(images)


def frozen(images, sigma):
    g = torch.Generator().manual_seed(0)
    return images + sigma * torch.randn(images.shape, generator=g)


def own_generator():
    """Draw from a generator that torch.manual_seed does not reach."""
    g = torch.Generator().manual_seed(0)
    return noise(lambda x, s: x + s * torch.randn(x.shape, generator=g))


WRONG_NOISE = {
    "in place": noise(lambda x, s: x.add_(s * torch.randn_like(x))),
    "clipped to 0..1": noise(lambda x, s: (x + s * torch.randn_like(x)).clamp(0, 1)),
    "clipped to its range": noise(lambda x, s: (x + s * torch.randn_like(x)).clamp(-0.42, 2.8)),
    "torchvision, clipped": noise(lambda x, s: v2.GaussianNoise(sigma=s, clip=True)(x)),
    "variance for deviation": noise(lambda x, s: x + s**0.5 * torch.randn_like(x)),
    "uniform": noise(lambda x, s: x + s * torch.rand_like(x)),
    "uniform, centred": noise(lambda x, s: x + s * (2 * torch.rand_like(x) - 1)),
    "one picture for all": noise(lambda x, s: x + s * torch.randn_like(x[:1])),
    "one number an image": noise(lambda x, s: x + s * torch.randn(len(x), 1, 1, 1)),
    "one number a row": noise(lambda x, s: x + s * torch.randn_like(x[..., :1])),
    "multiplies": noise(lambda x, s: x * (1 + s * torch.randn_like(x))),
    "double": noise(lambda x, s: x + s * torch.randn(x.shape, dtype=torch.float64)),
    "frozen": noise(frozen),
    "own generator": own_generator(),
    "in evaluation too": NoisyInEvaluation,
    "no module": lambda sigma: lambda x: x + sigma * torch.randn_like(x),
}


# -- wrong answers: movement ---------------------------------------------------------------------


def mover(draw=None, after=None, fill=None):
    """Return a movement that is right but for its draw, what follows it, or its fill."""

    def right_draw(n, degrees, translate):
        u = 2 * torch.rand(n, 3) - 1
        return u[:, 0] * degrees, u[:, 1:] * translate * 28

    class Move(nn.Module):
        def __init__(self, degrees=15, translate=0.1, fill=0.0):
            super().__init__()
            self.settings, self.fill = (degrees, translate), fill

        def forward(self, images):
            if not self.training:
                return images
            angles, shifts = (draw or right_draw)(len(images), *self.settings)
            background = self.fill if fill is None else fill
            moved = homework.move(images, angles, shifts, fill=background)
            return moved if after is None else after(moved)

    return Move


def uniform(n, most, low=-1.0, columns=None):
    shape = (n,) if columns is None else (n, columns)
    return (low + (1 - low) * torch.rand(shape)) * most


def in_place(images):
    return images.copy_(homework.RandomMove(15, 0.1, -0.42)(images))


class InPlaceMove(homework.RandomMove):
    def forward(self, images):
        return images.copy_(super().forward(images)) if self.training else images


class MovesInEvaluation(homework.RandomMove):
    def forward(self, images):
        return homework.RandomMove(self.degrees, self.translate, self.fill)(images)


class WholeBatch(nn.Module):
    """Use torchvision on a batch: one angle for all images."""

    def __init__(self, degrees=15, translate=0.1, fill=0.0):
        super().__init__()
        mode = v2.InterpolationMode.BILINEAR
        shift = (translate, translate)
        self.change = v2.RandomAffine(degrees, shift, interpolation=mode, fill=fill)

    def forward(self, images):
        return self.change(images) if self.training else images


class ShiftFirst(homework.RandomMove):
    """Rotate about a corner."""

    def forward(self, images):
        if not self.training or self.degrees == 0:
            return super().forward(images)
        wide = F.pad(images, (28, 0, 28, 0), value=self.fill)
        return super().forward(wide)[:, :, 28:, 28:]


WRONG_MOVES = {
    "up to 90 degrees": mover(lambda n, d, t: (uniform(n, 90), uniform(n, 28 * t, columns=2))),
    "degrees as radians": mover(
        lambda n, d, t: (uniform(n, math.degrees(d)), uniform(n, 28 * t, columns=2))
    ),
    "radians as degrees": mover(
        lambda n, d, t: (uniform(n, math.radians(d)), uniform(n, 28 * t, columns=2))
    ),
    "one side only": mover(lambda n, d, t: (uniform(n, d, 0.0), uniform(n, 28 * t, columns=2))),
    "right and down only": mover(
        lambda n, d, t: (uniform(n, d), uniform(n, 28 * t, 0.0, columns=2))
    ),
    "shift of 10 percent of half": mover(
        lambda n, d, t: (uniform(n, d), uniform(n, 14 * t, columns=2))
    ),
    "shift twice too far": mover(lambda n, d, t: (uniform(n, d), uniform(n, 56 * t, columns=2))),
    "both shifts alike": mover(
        lambda n, d, t: (uniform(n, d), uniform(n, 28 * t, columns=1).expand(n, 2))
    ),
    "no rotation": mover(lambda n, d, t: (torch.zeros(n), uniform(n, 28 * t, columns=2))),
    "no shift": mover(lambda n, d, t: (uniform(n, d), torch.zeros(n, 2))),
    "grey corners": mover(fill=0.0),
    "clipped": mover(after=lambda x: x.clamp(0, 1)),
    "flips": mover(after=lambda x: x.flip(-1)),
    "double": mover(after=lambda x: x.double()),
    "cropped": mover(after=lambda x: x[..., 1:, 1:]),
    "in place": InPlaceMove,
    "in evaluation too": MovesInEvaluation,
    "one angle a batch": WholeBatch,
    "about a corner": ShiftFirst,
}


# -- wrong answers: loaders ----------------------------------------------------------------------


def loaders(train, test, augment, batch_size, seed, *, mode):
    """Return loaders with one thing wrong."""

    def change(images, labels):
        return augment(images), labels

    generator = torch.Generator().manual_seed(seed)
    options = {
        "batch_size": batch_size,
        "shuffle": mode != "not shuffled",
        "generator": None if mode == "unseeded" else generator,
        "transform": change,
        "drop_last": mode == "drops the rest",
    }
    if mode == "augmented once":
        train, options["transform"] = change(*train), None
    if mode == "not augmented":
        options["transform"] = None
    if mode == "twice":
        options["transform"] = lambda x, y: (augment(augment(x)), y)
    if mode == "labels mixed up":
        options["transform"] = lambda x, y: (augment(x), y.flip(0))
    if mode == "trains on the test set":
        train = tuple(torch.cat(pair) for pair in zip(train, test, strict=True))
    train_loader = TensorLoader(*train, **options)
    if mode == "augments the test set":
        return train_loader, TensorLoader(*test, batch_size=batch_size, transform=change)
    if mode == "calls augment for the test set":
        return train_loader, TensorLoader(
            *test, batch_size=batch_size, transform=lambda x, y: (augment(x) - 100, y)
        )
    shuffle = mode == "shuffles the test set"
    return train_loader, TensorLoader(*test, batch_size=batch_size, shuffle=shuffle)


def wrong_loaders(mode):
    def function(train, test, augment, batch_size=64, seed=0):
        return loaders(train, test, augment, batch_size, seed, mode=mode)

    return function


MODES = (
    "augments the test set",
    "calls augment for the test set",
    "shuffles the test set",
    "augmented once",
    "not augmented",
    "twice",
    "not shuffled",
    "unseeded",
    "drops the rest",
    "labels mixed up",
    "trains on the test set",
)
WRONG = {
    "check_tanh_block": WRONG_BLOCKS,
    "check_tanh": WRONG_LAYERS,
    "check_noise": WRONG_NOISE,
    "check_move": WRONG_MOVES,
    "check_loaders": {mode: wrong_loaders(mode) for mode in MODES},
}
CASES = [(check, name) for check, answers in WRONG.items() for name in answers]


@pytest.mark.parametrize(("check", "name"), CASES, ids=[f"{c}-{n}" for c, n in CASES])
def test_a_wrong_answer_is_rejected(check, name):
    for seed in SEEDS:
        with pytest.raises((AssertionError, RuntimeError)):
            CHECKS[check](WRONG[check][name], seed=seed)


def test_the_wrong_answers_are_wrong_in_one_thing_only():
    """The makers of wrong answers give right ones, if nothing is changed."""
    assert CHECKS["check_tanh_block"](block())
    assert CHECKS["check_tanh"](layer())
    assert CHECKS["check_noise"](noise(lambda x, s: x + s * torch.randn_like(x)))
    assert CHECKS["check_move"](mover())
    assert CHECKS["check_move"](
        mover(lambda n, d, t: (uniform(n, d), uniform(n, 28 * t, columns=2)))
    )
    assert CHECKS["check_loaders"](wrong_loaders("nothing"))


# -- the model solution itself -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_exact_everywhere(dtype):
    z = torch.logspace(-30, 3, 2001, dtype=torch.float64).to(dtype)
    z = torch.cat([-z, torch.zeros(1, dtype=dtype), z, torch.tensor([torch.inf], dtype=dtype)])
    exact = torch.tanh(z.double())
    relative = ((homework.stable_tanh(z).double() - exact) / exact.where(exact != 0, 1)).abs()
    assert relative.max() < 4 * torch.finfo(dtype).eps
    assert homework.stable_tanh(torch.tensor(torch.nan)).isnan()
    assert math.copysign(1, homework.stable_tanh(torch.tensor(-0.0)).item()) == -1


def test_tanh_has_two_derivatives_and_works_with_torch_func():
    z = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(homework.TanhFunction.apply, z)
    assert gradgradcheck(homework.TanhFunction.apply, z)
    x = torch.randn(5, dtype=torch.float64)
    slopes = torch.func.vmap(torch.func.grad(homework.TanhFunction.apply))(x)
    torch.testing.assert_close(slopes, 1 - torch.tanh(x) ** 2)


@pytest.mark.parametrize("size", [(28, 28), (20, 33)])
@pytest.mark.parametrize(("angle", "shift"), [(15, (0, 0)), (-40, (0, 0)), (10, (3, -2))])
def test_move_agrees_with_torchvision(size, angle, shift):
    images = torch.zeros(2, 3, *size)
    images[:, :, 7:-7, 9:-9] = torch.rand(2, 3, size[0] - 14, size[1] - 18)
    mode = v2.InterpolationMode.BILINEAR
    expected = v2.functional.affine(images, angle, list(shift), 1.0, [0.0, 0.0], mode)
    angles, shifts = torch.full((2,), float(angle)), torch.tensor([shift, shift]).float()
    moved = homework.move(images, angles, shifts)
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-4)


def test_errors_name_what_is_wrong():
    images = torch.zeros(2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"floating-point batch .*uint8"):
        homework.RandomMove()(images.byte())
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        homework.RandomMove()(images[0])
    with pytest.raises(ValueError, match=r"angles \(2,\)"):
        homework.move(images, torch.zeros(3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="sigma"):
        homework.GaussianNoise(-1)
    with pytest.raises(ValueError, match="degrees"):
        homework.RandomMove(-1)


def test_a_strength_of_zero_switches_off():
    images = torch.rand(3, 1, 9, 9)
    assert homework.RandomMove(0, 0)(images) is images
    assert homework.GaussianNoise(0)(images) is images
    assert "sigma=0.1" in repr(homework.GaussianNoise())
    assert "degrees=15" in repr(homework.RandomMove())


# -- the notebook --------------------------------------------------------------------------------


def test_the_rubric_adds_up():
    text = "".join(
        "".join(c["source"])
        for c in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
        if c["cell_type"] == "markdown" and "## Rubric" in "".join(c["source"])
    )
    rows = [line.strip("| \n").split("|") for line in text.splitlines() if line.startswith("|")]
    points = [int(row[-1]) for row in rows if row[-1].strip().isdigit()]
    assert sum(points) == 100
    assert len(points) == 8
    assert "**100**" in text
