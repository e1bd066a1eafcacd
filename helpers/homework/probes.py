"""Try an answer out and write down what it did; nothing here decides whether it is right.

The grader loads this file, and no other of the package, into the process that runs a student's
code; :mod:`helpers.homework.judges` reads the notes in a process that never ran it. So a probe
uses nothing but torch and the standard library. Notes are tensors and plain JSON values.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Notes = dict[str, Any]

# tan is in the list because tanh z = -i tan(iz).
RELATIVES = frozenset(
    {"tanh", "sinh", "cosh", "tan", "sigmoid", "expit", "special_expit", "log_sigmoid_forward"}
    | {"silu", "gelu", "mish", "softplus", "softmax", "_softmax", "_log_softmax"}
    | {"tanh_backward", "sigmoid_backward"}
)
EXPONENTIALS = frozenset(["exp", "exp2", "expm1", "pow", "float_power"])
BITS = {32: torch.float32, 64: torch.float64}
ELSEWHERE = ("numpy", "scipy.special")
SIGMAS = (0.2, 2.0)
# degrees, translate, fill, number of images, side of an image
MOVES = ((15.0, 0.1, -0.42, 600, 28), (30.0, 0.08, 1.0, 1200, 20))
SPOT, INK = 5.0, 2.0


class Refused(AssertionError):
    """An answer that cannot even be tried out; the message says why."""


# -- what an answer uses -------------------------------------------------------------------------


class Watch(TorchDispatchMode):
    """Note which forbidden functions run while it is open, and who differentiates.

    ``used`` holds names out of RELATIVES, and ``torchvision``; ``autograd`` is true once an
    exponential ran where autograd records it.
    """

    current: Watch | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation imports the compiler, which takes seconds

    def __init__(self) -> None:
        super().__init__()
        self.used: set[str] = set()
        self.autograd = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = func._schema.name.split("::")[1]
        name = name[:-1] if name.endswith("_") else name
        if name in RELATIVES:
            self.used.add(name)
        if name in EXPONENTIALS and torch.is_grad_enabled():
            self.autograd = True
        return func(*args, **(kwargs or {}))

    def _call(self, frame: Any, event: str, function: Any) -> None:
        if event == "call" and "torchvision.transforms" in str(frame.f_globals.get("__name__")):
            self.used.add("torchvision")
        elif event == "c_call" and getattr(function, "__module__", "") in ("math", "cmath"):
            self.used.update({function.__name__} & RELATIVES)

    def notes(self) -> Notes:
        """Return what was seen."""
        return {"used": sorted(self.used), "autograd": self.autograd}


def _report(original: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    if Watch.current is not None:
        Watch.current.used.add(name)
    return original(*args, **kwargs)


@contextmanager
def reporting_relatives(load: bool = False) -> Iterator[None]:
    """Let NumPy's and SciPy's relatives report; ``load`` before ``from numpy import tanh``."""
    with ExitStack() as stack:
        for name in ELSEWHERE:
            if load:
                importlib.import_module(name)
            if (library := sys.modules.get(name)) is None:
                continue
            for relative in RELATIVES & set(dir(library)):
                report = partial(_report, getattr(library, relative), relative)
                stack.enter_context(mock.patch.object(library, relative, report))
        yield


@contextmanager
def watching() -> Iterator[Watch]:
    """Open a Watch; the global random state is given back at the end."""
    watch, profile = Watch(), sys.getprofile()
    with torch.random.fork_rng(devices=[]), reporting_relatives(), watch:
        Watch.current = watch
        sys.setprofile(watch._call)
        try:
            yield watch
        finally:
            sys.setprofile(profile)
            Watch.current = None


def _tensor(value: Any, what: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise Refused(f"{what} gave a {type(value).__name__}, not a tensor")
    return value.detach().cpu().clone().contiguous()


def _outcome(call: Callable[[], Any]) -> Any:
    """Return what a call gives, or the error that it raises in one line."""
    try:
        return call()
    except (RuntimeError, TypeError, ValueError, Refused) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]


def _module(thing: Any) -> nn.Module:
    if not isinstance(thing, nn.Module):
        raise Refused(f"it must be an nn.Module, this is a {type(thing).__name__}")
    return thing


def _class(thing: Any) -> Any:
    if isinstance(thing, nn.Module) or not callable(thing):
        raise Refused(f"it must be the class itself, not a {type(thing).__name__} made of it")
    return thing


# -- parts 1 and 2: tanh -------------------------------------------------------------------------


def tanh_points(seed: int, dtype: torch.dtype) -> Tensor:
    """Return ``(1, 209)`` numbers: a grid, zero, fixed large ones, and random ones of all sizes."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(2, 40, generator=generator, dtype=torch.float64)
    sizes = torch.stack([10 ** (-6 * share[0] - 1), 6 * (1000 / 6) ** share[1]])
    sizes[:, ::2] *= -1
    fixed = torch.tensor([0.0, 10.0, 20.0, 50.0, 100.0, 400.0, 800.0, 1000.0])
    drawn = 2 * torch.randn(12, generator=generator, dtype=torch.float64)
    grid = torch.linspace(-6, 6, 101)
    return torch.cat([grid, fixed, -fixed, sizes.flatten(), drawn]).reshape(1, -1).to(dtype)


def tanh_case(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return a point, a gradient from above and a direction, each ``(4, 3)`` in 64 bits."""
    generator = torch.Generator().manual_seed(seed + 1)
    z, grad_y, direction = torch.randn(3, 4, 3, generator=generator, dtype=torch.float64)
    z[:2] = torch.tensor([[1000.0, -1000.0, 1e-5], [100.0, -50.0, 400.0]], dtype=torch.float64)
    return z, grad_y, direction


def probe_tanh_block(block_class: Any, seed: int) -> Notes:
    """Run forward and backward of a block, and of two blocks in turn."""
    notes: Notes = {}
    _class(block_class)
    z, grad_y, _ = tanh_case(seed)
    points = {bits: tanh_points(seed, dtype) for bits, dtype in BITS.items()}
    with watching() as watch, torch.no_grad():
        for bits, given in points.items():
            notes[f"y{bits}"] = _tensor(block_class().forward(given), "forward")
        first, second = block_class(), block_class()
        point, above = z.clone(), grad_y.clone()
        first.forward(point)
        second.forward(point.flip(0))
        notes["grad"] = _tensor(first.backward(above), "backward")
        single, z32 = block_class(), z.float()
        for given in (z32.flip(0), z32):  # in training a block is used again and again
            single.forward(given)
            notes["grad32"] = _tensor(single.backward(grad_y.float()), "backward")
    return notes | {"z": point, "grad_y": above} | watch.notes()


def _graph(output: Tensor) -> tuple[bool, list[str]]:
    """Return whether a Function of one's own made the output, and the nodes of PyTorch's own."""
    own, foreign, todo = False, set(), [output.grad_fn]
    while todo:
        node = todo.pop()
        if node is None:
            continue
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            own = True
        elif type(node).__name__ != "AccumulateGrad":
            foreign.add(type(node).__name__)
        todo.extend(n for n, _ in node.next_functions)
    return own, sorted(foreign)


def probe_tanh(layer_class: Any, seed: int) -> Notes:
    """Run a layer, and differentiate it twice."""
    layer = _module(_class(layer_class)())
    notes: Notes = {}
    z, grad_y, direction = tanh_case(seed)
    points = {bits: tanh_points(seed, dtype) for bits, dtype in BITS.items()}
    with watching() as watch:
        for bits, given in points.items():
            notes[f"y{bits}"] = _tensor(layer(given), "the layer")
        z.requires_grad_()
        y = layer(z)
        notes["own"], notes["foreign"] = _graph(y)
        if not y.requires_grad:
            raise Refused("the output has no gradient: it does not come from a Function")
        above = grad_y.clone()
        (grad,) = torch.autograd.grad(y, z, above, allow_unused=True)
        notes["grad"] = _tensor(grad, "backward")
        # What autograd records in the second derivative is its own business.
        autograd = watch.autograd
        upper = grad_y.clone().requires_grad_()
        notes["second"], notes["second_of_grad"] = _second(layer, z, upper, direction)
    return notes | {"z": z.detach(), "grad_y": above} | watch.notes() | {"autograd": autograd}


def _second(layer: Any, z: Tensor, upper: Tensor, direction: Tensor) -> tuple[Any, Any]:
    """Return the derivatives of ``direction · grad`` for z and for the gradient from above."""
    try:
        (grad,) = torch.autograd.grad(layer(z), z, upper, create_graph=True)
        second = torch.autograd.grad(grad, (z, upper), direction, allow_unused=True)
    except RuntimeError as error:
        return str(error).splitlines()[0], None
    of_z, of_upper = (torch.zeros_like(z) if s is None else s.detach() for s in second)
    return of_z, of_upper


# -- parts 3 and 4: augmentation -----------------------------------------------------------------


class OneDevice(TorchFunctionMode):
    """Note whether an operation mixes tensors of two devices, as CUDA would refuse.

    All tensors are on the CPU in truth. Those given, what is computed from them, and what is made
    with an explicit ``device`` count as tensors of an accelerator.
    """

    # Copies between devices, and indices on the CPU, are allowed on CUDA as well.
    allowed = frozenset(["to", "type_as", "copy_", "__getitem__", "__setitem__", "index_select"])

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        self.mixed = False
        self._there = {id(t): t for t in tensors}  # kept alive, so that no id comes twice

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        on_device = any(id(t) in self._there for t in given)
        if name not in self.allowed:
            self.mixed |= len({id(t) in self._there for t in given if t.ndim}) > 1
        self.mixed |= on_device and name in ("numpy", "__array__")
        result = func(*args, **kwargs)
        moved = name == "to" and any(isinstance(a, torch.device) for a in args)
        if name != "cpu" and (on_device or moved or "device" in kwargs):
            made = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
            self._there.update({id(t): t for t in made})
        return result


def _transform(thing: Any, images: Tensor, seed: int, keep: int) -> Notes:
    """Note what noise and movement have in common; ``keep`` images of each further call."""
    module = _module(thing)
    notes: Notes = {"input": images.clone()}
    torch.manual_seed(seed)
    notes["first"] = _tensor(module(notes["input"]), "forward")
    notes["input"] = notes["input"][:keep].clone()
    notes["second"] = _tensor(module(images.clone()), "forward")[:keep].clone()
    torch.manual_seed(seed)
    notes["again"] = _tensor(module(images.clone()), "forward")[:keep].clone()
    module.eval()
    notes["eval"] = _tensor(module(images[:keep].clone()), "forward in evaluation mode")
    module.train()
    few = images[:2]
    with OneDevice([few, *module.parameters(), *module.buffers()]) as devices:
        module(few)
    notes["mixed"] = devices.mixed
    notes["double"] = _outcome(lambda: str(_tensor(module(few.double()), "forward").dtype))
    return notes


def noise_images() -> Tensor:
    """Return ``(64, 2, 28, 28)``: black pictures with a white bar, as after Normalize."""
    images = torch.full((64, 2, 28, 28), -0.42)
    images[:, :, 10:18] = 2.8
    return images


def probe_noise(noise_class: Any, seed: int) -> Notes:
    """Add noise of two strengths."""
    notes: Notes = {}
    with watching() as watch:
        for k, sigma in enumerate(SIGMAS):
            seen = _transform(_class(noise_class)(sigma), noise_images(), seed + k, 8)
            notes |= {f"{name}{k}": value for name, value in seen.items()}
    return notes | watch.notes()


def move_images(n: int, fill: float, side: int) -> Tensor:
    """Return ``(n, 5, side, side)``: spots in the middle, right and below; all ink; empty."""
    axis = torch.arange(side) - (side - 1) / 2
    pictures = []
    for x, y in ((0.0, 0.0), (SPOT, 0.0), (0.0, SPOT)):
        distance = (axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2
        pictures.append(torch.exp(-distance / 3) + fill)
    pictures += [torch.full((side, side), value) for value in (fill + INK, fill)]
    return torch.stack(pictures).expand(n, -1, -1, -1).clone()


def probe_move(move_class: Any, seed: int) -> Notes:
    """Move pictures under two settings, and under one that moves nothing."""
    notes: Notes = {}
    with watching() as watch:
        for k, (degrees, translate, fill, n, side) in enumerate(MOVES):
            images = move_images(n, fill, side)
            seen = _transform(_class(move_class)(degrees, translate, fill), images, seed + k, 20)
            notes |= {f"{name}{k}": value for name, value in seen.items()}
        still = move_images(4, 0.0, 28)
        notes["still"] = _tensor(move_class(0, 0, 0.0)(still), "forward")
    return notes | watch.notes()


# -- part 5: loaders -----------------------------------------------------------------------------

# More examples than the batch by default, 64, so that the default shows.
TRAIN, TEST, BATCH, MARK = 70, 66, 8, 1000.0


def loader_data() -> tuple[Tensor, Tensor]:
    """Return images ``(136, 1, 4, 4)`` whose pixels are their labels, and the labels."""
    labels = torch.arange(TRAIN + TEST)
    return labels.float().reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4).clone(), labels


def _one_pass(loader: Any) -> tuple[Tensor, Tensor, list[int]]:
    batches = [tuple(batch) for batch in loader]
    if not batches or any(len(batch) != 2 for batch in batches):
        raise Refused("a loader must hand out batches of images and labels")
    xs, ys = ([_tensor(p, "a loader") for p in part] for part in zip(*batches, strict=True))
    return torch.cat(xs), torch.cat(ys), [len(x) for x in xs]


def probe_loaders(function: Any, seed: int) -> Notes:
    """Go through both loaders, with a function for ``augment`` that marks what it got."""
    images, labels = loader_data()
    calls: list[tuple[int, float]] = []  # how many images, and what augment would draw

    def mark(batch: Tensor) -> Tensor:
        calls.append((len(batch), torch.rand((), dtype=torch.float64).item()))
        return batch + MARK

    parts = [(images[part], labels[part]) for part in (slice(TRAIN), slice(TRAIN, None))]

    def make(**settings: Any) -> Any:
        pair = function(*parts, mark, **settings)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Refused("it must return two loaders, for training and for testing")
        return pair

    def by_default() -> list[Any]:
        (_, y, sizes), (_, _, test_sizes) = map(_one_pass, make())
        return [sizes, test_sizes, torch.equal(y, _one_pass(make(batch_size=64, seed=0)[0])[1])]

    notes: Notes = {}
    with watching() as watch:
        torch.manual_seed(seed)
        loader, test_loader = make(batch_size=BATCH, seed=seed)
        for k in (0, 1):
            x, y, sizes = _one_pass(loader)
            notes |= {f"x{k}": x, f"y{k}": y, f"sizes{k}": sizes}
        notes["after0"] = torch.rand(4)
        notes["calls"], notes["drawn"] = ([call[k] for call in calls] for k in (0, 1))
        notes["test_x"], notes["test_y"], notes["test_sizes"] = _one_pass(test_loader)
        notes["test_calls"] = len(calls) - len(notes["calls"])
        notes["lengths"] = [_outcome(lambda: len(loader)), _outcome(lambda: len(test_loader))]
        torch.manual_seed(seed + 1)  # the order must come from the argument, not from here
        again = make(batch_size=BATCH, seed=seed)[0]
        _, notes["again"] = (_one_pass(again)[1] for _ in range(2))
        notes["after1"] = torch.rand(4)
        notes["other"] = _one_pass(make(batch_size=BATCH, seed=seed + 1)[0])[1]
        notes["defaults"] = _outcome(by_default)
    return notes | watch.notes()
