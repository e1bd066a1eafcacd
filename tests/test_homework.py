"""The homework: the model solution, and checks that have been seen to reject wrong answers."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

from helpers import homework
from helpers.data import TensorLoader

SEEDS = (0, 1, 2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", homework.PARTS)
def test_the_model_solution_is_accepted(name, seed):
    said = homework.check(name, getattr(homework, name), seed=seed)
    assert said == f"Exercise {homework.PARTS[name].number}: passed"


def test_an_empty_answer_is_not_tried_and_an_unknown_part_is_named():
    assert homework.check("Tanh", None) == "Exercise 2: not tried yet"
    with pytest.raises(ValueError, match=r"'tanh'.*TanhBlock, Tanh"):
        homework.check("tanh", None)


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


def ends_only(z):
    """Cure the overflow at both ends only: between 89 and 500 exp is infinite in 32 bits."""
    return torch.where(z.abs() > 500, z.sign(), two_branches_unclamped(z))


def two_branches_unclamped(z):
    odd = z * (1 - z**2 / 3 + 2 * z**4 / 15 - 17 * z**6 / 315 + 62 * z**8 / 2835)
    return torch.where(z.abs() < 0.02, odd, definition(z))


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


def by_numpy(z):
    return torch.from_numpy(np.tanh(z.detach().numpy()))


def sinh_over_cosh(z):
    near = z.clamp(-20, 20)
    return near.sinh() / near.cosh()


def sigmoid(z):
    """Right far from zero only, and by a relative of tanh."""
    return 2 * torch.sigmoid(2 * z) - 1


def as_softmax(z):
    pair = torch.stack([z, -z]).softmax(dim=0)
    return homework.stable_tanh(z) + 0 * pair[0]


class TanhInBackward(homework.TanhBlock):
    def forward(self, z):
        self.z = z
        return super().forward(z)

    def backward(self, grad_y):
        return grad_y * (1 - torch.tanh(self.z) ** 2)


class OverwritesGradY(homework.TanhBlock):
    def backward(self, grad_y):
        return grad_y.mul_(1 - self.y**2)


class DoublesZ(homework.TanhBlock):
    def forward(self, z):
        return super().forward(z.mul_(2).div(2))


class OneForAll(homework.TanhBlock):
    """Keep the output with the class, so that a second block spoils the first."""

    def forward(self, z):
        type(self).kept = homework.stable_tanh(z)
        return self.kept

    def backward(self, grad_y):
        return grad_y * (1 - self.kept**2)


class KeepsTheFirst(homework.TanhBlock):
    """Go back through the first forward, whatever came later."""

    def forward(self, z):
        y = homework.stable_tanh(z)
        self.y = getattr(self, "y", y)
        return y


class AddsUp(homework.TanhBlock):
    """Add the gradients of all calls up, as autograd does in ``.grad``."""

    total = 0.0

    def backward(self, grad_y):
        self.total = self.total + super().backward(grad_y)
        return self.total


class Squeezes(homework.TanhBlock):
    def forward(self, z):
        return super().forward(z).squeeze()


class ByAutograd:
    def forward(self, z):
        with torch.enable_grad():
            self.z = z.detach().requires_grad_()
            self.y = homework.stable_tanh(self.z)
        return self.y.detach()

    def backward(self, grad_y):
        return torch.autograd.grad(self.y, self.z, grad_y)[0]


class Identity(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return z.clone()

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y


class ForgetsToReturn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        y = homework.stable_tanh(z)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        grad_y * (1 - ctx.saved_tensors[0] ** 2)


class TanhInsideBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return homework.stable_tanh(z)

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (1 - torch.tanh(ctx.saved_tensors[0]) ** 2)


class AutogradInside(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return homework.stable_tanh(z)

    @staticmethod
    def backward(ctx, grad_y):
        with torch.enable_grad():
            y = homework.stable_tanh(ctx.saved_tensors[0])
            return torch.autograd.grad(y, ctx.saved_tensors[0], grad_y, create_graph=True)[0]


class OnlyOnce(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        y = homework.stable_tanh(z)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_y):
        return grad_y * (1 - ctx.saved_tensors[0] ** 2)


VALUES = (definition, cancels, clamps, no_sign, nan_to_num, single_only, ends_only)
RELATIVES = (by_numpy, sinh_over_cosh, sigmoid, as_softmax)
WRONG_BLOCKS = {
    **{f.__name__: block(f) for f in (*VALUES, *RELATIVES)},
    "torch.tanh": block(torch.tanh),
    "Tensor.tanh": block(lambda z: z.tanh()),
    "nn.Tanh": block(nn.Tanh()),
    "no square": block(slope=lambda y: 1 - y),
    "plus": block(slope=lambda y: 1 + y**2),
    "grad_y forgotten": ForgetsGradY,
    "derivative at the output": SlopeOfSlope,
    "tanh in backward": TanhInBackward,
    "overwrites grad_y": OverwritesGradY,
    "overwrites z": DoublesZ,
    "one for all blocks": OneForAll,
    "by autograd": ByAutograd,
    "keeps the first": KeepsTheFirst,
    "adds up": AddsUp,
    "squeezes": Squeezes,
}
WRONG_LAYERS = {
    **{f.__name__: layer(f) for f in (*VALUES, *RELATIVES)},
    "torch.tanh": layer(torch.tanh),
    "no square": layer(slope=lambda y: 1 - y),
    "saves the slope": as_module(SavesTheSlope.apply),
    "detaches": as_module(DetachesInBackward.apply),
    "no function of its own": as_module(homework.stable_tanh),
    "no module": homework.TanhBlock,
    "identity before the formula": as_module(lambda z: clamped(Identity.apply(z))),
    "identity after the formula": as_module(lambda z: Identity.apply(clamped(z))),
    "backward without return": as_module(ForgetsToReturn.apply),
    "tanh in backward": as_module(TanhInsideBackward.apply),
    "autograd in backward": as_module(AutogradInside.apply),
    "once differentiable": as_module(OnlyOnce.apply),
    "detached": as_module(lambda z: homework.stable_tanh(z.detach())),
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


def pairs(images, sigma):
    """Draw one noise picture for two images each, far apart in the batch."""
    drawn = torch.randn_like(images[: (len(images) + 1) // 2]).repeat(2, 1, 1, 1)
    return images + sigma * drawn[: len(images)]


WRONG_NOISE = {
    "uniform, same deviation": noise(
        lambda x, s: x + s * math.sqrt(12) * (torch.rand_like(x) - 0.5)
    ),
    "coin": noise(lambda x, s: x + s * torch.randn_like(x).sign()),
    "sigma typed in": noise(lambda x, s: x + 0.2 * torch.randn_like(x)),
    "one noise for two images": noise(pairs),
    "clipped far out": noise(lambda x, s: (x + s * torch.randn_like(x)).clamp(-1.2, 3.6)),
    "torchvision": noise(lambda x, s: v2.GaussianNoise(sigma=s, clip=False)(x)),
    "torchvision, function": noise(
        lambda x, s: v2.functional.gaussian_noise(x, sigma=s, clip=False)
    ),
    "drawn on the CPU": noise(lambda x, s: x + s * torch.randn(x.shape)),
    "one number for all channels": noise(lambda x, s: x + s * torch.randn_like(x[:, :1])),
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
    "single, whatever comes in": noise(lambda x, s: (x + s * torch.randn_like(x)).float()),
    "own generator": own_generator(),
    "in evaluation too": NoisyInEvaluation,
    "no module": lambda sigma: lambda x: x + sigma * torch.randn_like(x),
}


# -- wrong answers: movement ---------------------------------------------------------------------


def mover(draw=None, after=None, fill=None):
    """Return a movement that is right but for its draw, what follows it, or its fill."""

    def right_draw(n, degrees, translate):  # in pixels of an image of 28 by 28
        u = 2 * torch.rand(n, 3) - 1
        return u[:, 0] * degrees, u[:, 1:] * translate * 28

    class Move(nn.Module):
        def __init__(self, degrees=15, translate=0.1, fill=0.0):
            super().__init__()
            self.settings, self.fill = (degrees, translate), fill

        def forward(self, images):
            if not self.training:
                return images
            angles, shifts = (
                drawn.to(images.device)
                for drawn in (draw or right_draw)(len(images), *self.settings)
            )
            shifts = shifts * images.shape[-1] / 28
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


def sampled(
    matrix, *, padding="zeros", typed=None, mode="bilinear", single=False, align=False, draw=None
):
    """Return a movement from a matrix function of angles in radians and shifts in half images."""

    class Sampled(nn.Module):
        def __init__(self, degrees, translate, fill):
            super().__init__()
            self.degrees, self.translate = degrees, translate
            self.fill = fill if typed is None else typed

        def forward(self, images):
            if not self.training or self.degrees == self.translate == 0:
                return images
            u = 2 * torch.rand(len(images), 3, device=images.device) - 1
            u = u if draw is None else draw(u)
            theta = matrix(u[:, 0] * math.radians(self.degrees), *(2 * self.translate * u[:, 1:]).T)
            theta = theta if single else theta.to(images.dtype)
            grid = F.affine_grid(theta, list(images.shape), align_corners=align)
            options = {"padding_mode": padding, "align_corners": align, "mode": mode}
            return F.grid_sample(images - self.fill, grid, **options) + self.fill

    return Sampled


def rows(*six):
    return torch.stack(six, dim=1).reshape(-1, 2, 3)


def rotate_then_shift(a, x, y):
    cos, sin = a.cos(), a.sin()
    return rows(cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y)


def shift_then_rotate(a, x, y):
    return rows(a.cos(), a.sin(), -x, -a.sin(), a.cos(), -y)


def shear(a, x, y):
    one, zero = torch.ones_like(a), torch.zeros_like(a)
    return rows(one, zero, -x, -a.tan(), one, a.tan() * x - y)


def step_angles(n, degrees, translate):
    return torch.randint(-1, 2, (n,)) * float(degrees), uniform(n, 28 * translate, columns=2)


def whole_degrees(n, degrees, translate):
    most = int(degrees)
    return torch.randint(-most, most + 1, (n,)).float(), uniform(n, 28 * translate, columns=2)


def whole_pixels(n, degrees, translate):
    most = int(28 * translate)
    return uniform(n, degrees), torch.randint(-most, most + 1, (n, 2)).float()


def one_number(n, degrees, translate):
    u = 2 * torch.rand(n, 1) - 1
    other = 2 * torch.rand(n, 1) - 1
    return u[:, 0] * degrees, torch.cat([u, other], dim=1) * 28 * translate


def normal_draw(n, degrees, translate):
    drawn = torch.randn(n, 3).clamp(-3, 3) / 3
    return drawn[:, 0] * degrees, drawn[:, 1:] * 28 * translate


class ImageByImage(nn.Module):
    """Use torchvision for one image at a time."""

    def __init__(self, degrees, translate, fill):
        super().__init__()
        mode = v2.InterpolationMode.BILINEAR
        self.change = v2.RandomAffine(
            degrees, (translate, translate), interpolation=mode, fill=fill
        )

    def forward(self, images):
        return torch.stack([self.change(i) for i in images]) if self.training else images


class SideTypedIn(homework.RandomMove):
    """Shift by pixels of an image of 28 by 28, whatever the image."""

    def forward(self, images):
        if not self.training:
            return images
        n = len(images)
        angles, shifts = uniform(n, self.degrees), uniform(n, 28 * self.translate, columns=2)
        angles, shifts = angles.to(images.device), shifts.to(images.device)
        return homework.move(images, angles, shifts, fill=self.fill)


class ChannelByChannel(homework.RandomMove):
    def forward(self, images):
        n, c, h, w = images.shape
        return super().forward(images.reshape(n * c, 1, h, w)).reshape(n, c, h, w)


def evenly(u):
    """Turn the images of a batch by angles that are not drawn at all."""
    return torch.cat([torch.linspace(-1, 1, len(u), device=u.device)[:, None], u[:, 1:]], dim=1)


def in_order(u):
    return torch.cat([u[:, :1].sort(dim=0).values, u[:, 1:]], dim=1)


def twice(u):
    """Use each draw for two images, far apart in the batch."""
    return u[: (len(u) + 1) // 2].repeat(2, 1)[: len(u)]


WRONG_MOVES = {
    "evenly spaced angles": sampled(rotate_then_shift, draw=evenly),
    "angles in order": sampled(rotate_then_shift, draw=in_order),
    "each draw for two images": sampled(rotate_then_shift, draw=twice),
    "corners aligned, so that shifts fall short": sampled(rotate_then_shift, align=True),
    "shift, then rotate": sampled(shift_then_rotate),
    "shear": sampled(shear),
    "single only": sampled(rotate_then_shift, single=True),
    "a side of 28 typed in": SideTypedIn,
    "fill by border": sampled(rotate_then_shift, padding="border"),
    "fill by reflection": sampled(rotate_then_shift, padding="reflection"),
    "fill typed in": sampled(rotate_then_shift, typed=-0.42),
    "nearest neighbour": sampled(rotate_then_shift, mode="nearest"),
    "three angles": mover(step_angles),
    "whole degrees": mover(whole_degrees),
    "whole pixels": mover(whole_pixels),
    "angle tied to the shift": mover(one_number),
    "normal, not uniform": mover(normal_draw),
    "settings typed in": mover(lambda n, d, t: (uniform(n, 15), uniform(n, 2.8, columns=2))),
    "torchvision, image by image": ImageByImage,
    "channels by themselves": ChannelByChannel,
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
    if mode == "picture by picture":
        options["transform"] = lambda x, y: (torch.cat([augment(i) for i in x.split(1)]), y)
    if mode == "batch size ignored":
        options["batch_size"] = batch_size = 64
    if mode == "seed ignored":
        generator.manual_seed(5)
    if mode == "labels with a point":
        train = train[0], train[1].float()
    if mode == "seeds augment for each batch":

        def seeded(images, labels):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return augment(images), labels

        options["transform"] = seeded
    if mode in ("moves the order on", "shuffles whole batches"):
        return Reordered(train, change, batch_size, generator, mode), TensorLoader(
            *test, batch_size=batch_size
        )
    if mode == "seeds the global generator":
        torch.manual_seed(seed)
        options["generator"] = None
    if mode == "one order for all passes":
        order = torch.randperm(len(train[0]), generator=generator)
        train, options["shuffle"] = tuple(t[order] for t in train), False
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
    test_loader = TensorLoader(*test, batch_size=batch_size, shuffle=shuffle)
    if mode == "no length":
        return Endless(train_loader), test_loader
    return train_loader, test_loader


class Reordered:
    """Hand the training images out in an order of which most is not drawn."""

    def __init__(self, train, change, batch_size, generator, mode):
        self.train, self.change, self.size = train, change, batch_size
        self.generator, self.mode = generator, mode

    def __len__(self):
        return -(-len(self.train[1]) // self.size)

    def __iter__(self):
        rows = torch.arange(len(self.train[1]))
        if self.mode == "moves the order on":
            start = torch.randint(1, len(rows), (1,), generator=self.generator).item()
            batches = rows.roll(start).split(self.size)
        else:  # the last batch, which may be smaller, stays the last
            *full, rest = rows.split(self.size)
            order = torch.randperm(len(full), generator=self.generator).tolist()
            batches = [*(full[k] for k in order), rest]
        for rows in batches:
            yield self.change(self.train[0][rows], self.train[1][rows])


class Endless:
    """A loader without a length."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)


def without_batch_size(train, test, augment, *, batch_size, seed=0):
    return homework.augmented_loaders(train, test, augment, batch_size=batch_size, seed=seed)


def without_seed(train, test, augment, *, batch_size=64, seed):
    return homework.augmented_loaders(train, test, augment, batch_size=batch_size, seed=seed)


def other_batch_size(train, test, augment, *, batch_size=32, seed=0):
    return homework.augmented_loaders(train, test, augment, batch_size=batch_size, seed=seed)


def other_seed(train, test, augment, *, batch_size=64, seed=1):
    return homework.augmented_loaders(train, test, augment, batch_size=batch_size, seed=seed)


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
    "picture by picture",
    "batch size ignored",
    "seed ignored",
    "seeds the global generator",
    "one order for all passes",
    "no length",
    "labels with a point",
    "seeds augment for each batch",
    "moves the order on",
    "shuffles whole batches",
)
WRONG = {
    "TanhBlock": WRONG_BLOCKS,
    "Tanh": WRONG_LAYERS,
    "GaussianNoise": WRONG_NOISE,
    "RandomMove": WRONG_MOVES,
    "augmented_loaders": {
        **{mode: wrong_loaders(mode) for mode in MODES},
        "no batch size by default": without_batch_size,
        "no seed by default": without_seed,
        "another batch size by default": other_batch_size,
        "another seed by default": other_seed,
    },
}
CASES = [(part, name) for part, wrong in WRONG.items() for name in wrong]


@pytest.mark.parametrize(("part", "name"), CASES, ids=[f"{c}-{n}" for c, n in CASES])
def test_a_wrong_answer_is_rejected(part, name):
    for seed in SEEDS:
        with pytest.raises(AssertionError) as refused:
            homework.check(part, WRONG[part][name], seed=seed)
        assert len(str(refused.value)) > 10, "the fault is named in words"


# -- right answers, also unusual ones --------------------------------------------------------------


class SavesTheInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return homework.stable_tanh(z)

    @staticmethod
    def backward(ctx, grad_y):
        return grad_y * (1 - homework.stable_tanh(ctx.saved_tensors[0]) ** 2)


class SlopeAsOutput(torch.autograd.Function):
    """Return the intermediate as well: then autograd knows it."""

    @staticmethod
    def forward(ctx, z):
        y = homework.stable_tanh(z)
        slope = 1 - y**2
        ctx.save_for_backward(y, slope)
        return y, slope

    @staticmethod
    def backward(ctx, grad_y, grad_slope):
        y, slope = ctx.saved_tensors
        return grad_y * slope - grad_slope * 2 * y * slope


def clamped(z):
    e = torch.expm1(2 * z.clamp(-20, 20))
    return e / (e + 2)


def two_branches(z):
    near = z.clamp(-20, 20)
    series = z * (1 - z**2 / 3 + 2 * z**4 / 15 - 17 * z**6 / 315 + 62 * z**8 / 2835)
    return torch.where(z.abs() < 0.02, series, definition(near))


def numpy_exponential(z):
    t = np.expm1(-2 * np.abs(z.numpy()))
    return torch.from_numpy(np.copysign(-t / (2 + t), z.numpy()))


def own_bilinear(images, theta):
    """Sample four neighbours by hand, zeros outside."""
    n, c, h, w = images.shape
    grid = F.affine_grid(theta, [n, c, h, w], align_corners=False)
    x, y = (grid[..., 0] + 1) * w / 2 - 0.5, (grid[..., 1] + 1) * h / 2 - 0.5
    total = torch.zeros_like(images)
    number = torch.arange(n).reshape(n, 1, 1)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = x.floor().long() + dx, y.floor().long() + dy
            weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
            weight = weight * ((column >= 0) & (column < w) & (row >= 0) & (row < h))
            picked = images[number, :, row.clamp(0, h - 1), column.clamp(0, w - 1)]
            total = total + picked.permute(0, 3, 1, 2) * weight.unsqueeze(1)
    return total


class ByHand(homework.RandomMove):
    def forward(self, images):
        if not self.training:
            return images
        u = 2 * torch.rand(len(images), 3, device=images.device) - 1
        shifts = 2 * self.translate * u[:, 1:]
        theta = rotate_then_shift(u[:, 0] * math.radians(self.degrees), *shifts.T)
        return own_bilinear(images - self.fill, theta) + self.fill


class OneAtATime(homework.RandomMove):
    """Go through the images in Python, with numbers of Python."""

    def forward(self, images):
        return torch.cat([self.one(i) for i in images.split(1)]) if self.training else images

    def one(self, image):
        angle, x, y = (2 * torch.rand(3) - 1).tolist()
        angles = torch.tensor([angle * self.degrees], device=image.device)
        shifts = torch.tensor([[x, y]], device=image.device) * self.translate * image.shape[-1]
        return homework.move(image, angles, shifts, fill=self.fill)


class Augmented(Dataset):
    def __init__(self, images, labels, augment):
        self.images, self.labels, self.augment = images, labels, augment

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, rows):
        return self.augment(self.images[rows]), self.labels[rows]


def with_dataloader(train, test, augment, batch_size=64, seed=0):
    def collate(items):
        images, labels = torch.utils.data.default_collate(items)
        return augment(images), labels

    order = torch.Generator().manual_seed(seed)
    return (
        DataLoader(
            TensorDataset(*train), batch_size, shuffle=True, generator=order, collate_fn=collate
        ),
        DataLoader(TensorDataset(*test), batch_size),
    )


def with_batch_sampler(train, test, augment, batch_size=64, seed=0):
    order = torch.Generator().manual_seed(seed)
    random = torch.utils.data.RandomSampler(train[1], generator=order)
    batches = torch.utils.data.BatchSampler(random, batch_size, drop_last=False)
    loader = DataLoader(Augmented(*train, augment), sampler=batches, batch_size=None)
    return loader, DataLoader(TensorDataset(*test), batch_size)


def augmented_whole(train, test, augment, batch_size=64, seed=0):
    """Augment all at once at the start of each pass."""
    order = torch.Generator().manual_seed(seed)

    class Loader:
        def __len__(self):
            return -(-len(train[1]) // batch_size)

        def __iter__(self):
            rows = torch.randperm(len(train[1]), generator=order)
            images, labels = augment(train[0])[rows], train[1][rows]
            return zip(images.split(batch_size), labels.split(batch_size), strict=True)

    return Loader(), TensorLoader(*test, batch_size=batch_size)


RIGHT = {
    "TanhBlock": {
        "as the makers have it": block(),
        "clamped": block(clamped),
        "two branches": block(two_branches),
        "numpy's exponential": block(numpy_exponential),
        "slope from exponentials": block(slope=lambda y: (1 - y) * (1 + y)),
    },
    "Tanh": {
        "as the makers have it": layer(),
        "clamped": layer(clamped),
        "saves the input": as_module(SavesTheInput.apply),
        "slope as a second output": as_module(lambda z: SlopeAsOutput.apply(z)[0]),
    },
    "GaussianNoise": {
        "as the makers have it": noise(lambda x, s: x + s * torch.randn_like(x)),
        "torch.normal": noise(lambda x, s: torch.normal(x, s)),
        "normal_": noise(lambda x, s: x + torch.empty_like(x).normal_(0, s)),
        "distribution": noise(lambda x, s: torch.distributions.Normal(x, s).sample()),
        "drawn on the CPU, then moved": noise(
            lambda x, s: x + s * torch.randn(x.shape).to(x.device)
        ),
        "image by image": noise(lambda x, s: torch.stack([i + s * torch.randn_like(i) for i in x])),
    },
    "RandomMove": {
        "as the makers have it": mover(),
        "another draw": mover(lambda n, d, t: (uniform(n, d), uniform(n, 28 * t, columns=2))),
        "own matrix": sampled(rotate_then_shift),
        "sampled by hand": ByHand,
        "one at a time": OneAtATime,
        "the other way round": mover(
            lambda n, d, t: (-uniform(n, d), uniform(n, 28 * t, columns=2))
        ),
    },
    "augmented_loaders": {
        "as the makers have it": wrong_loaders("nothing"),
        "DataLoader": with_dataloader,
        "DataLoader with a batch sampler": with_batch_sampler,
        "augmented whole in each pass": augmented_whole,
    },
}
RIGHT_CASES = [(part, name) for part, right in RIGHT.items() for name in right]


@pytest.mark.parametrize(("part", "name"), RIGHT_CASES, ids=[f"{c}-{n}" for c, n in RIGHT_CASES])
def test_a_right_answer_is_accepted(part, name):
    for seed in range(5):
        assert homework.check(part, RIGHT[part][name], seed=seed).endswith("passed")


def test_a_check_leaves_the_random_state_and_numpy_as_they_were():
    torch.manual_seed(3)
    state, tanh = torch.get_rng_state(), np.tanh
    for name in homework.PARTS:
        homework.check(name, getattr(homework, name))
    assert torch.equal(state, torch.get_rng_state())
    assert np.tanh is tanh


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
