"""Checkpoints: written whole or not at all, read without running code from the file."""

from __future__ import annotations

import contextlib
import copy
import errno
import os
import pickle
import socket
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import Optimizer

# What torch.load reads with weights_only=True, so what may be written.
_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
# A file system may have no fsync; the file is then as safe as it can be made there.
_UNREADABLE = (
    RuntimeError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
_NO_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}


class CheckpointError(RuntimeError):
    """A checkpoint can't be written, read or applied; the message says which and what to do."""


def plain(value: Any, where: str = "content") -> Any:
    """Return a value made of tensors and plain values only, NumPy's numbers among them as Python's.

    Raises:
        CheckpointError: for anything else, with its place: the file could not be read again.

    Example:
        >>> plain({"lr": np.float64(0.5), "sizes": (1, 2)})
        {'lr': 0.5, 'sizes': (1, 2)}
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (Tensor, torch.Size)) or type(value) in _PLAIN:
        return value
    if isinstance(value, (OrderedDict, Counter)):
        copied = type(value)({key: plain(v, f"{where}[{key!r}]") for key, v in value.items()})
        if hasattr(value, "_metadata"):  # the versions of a state_dict's modules
            copied._metadata = plain(value._metadata, where)  # type: ignore[union-attr]
        return copied
    if isinstance(value, Mapping):
        return {plain(k, where): plain(v, f"{where}[{k!r}]") for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
        return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, set):
        return {plain(v, where) for v in value}
    if isinstance(value, (int, float, str)):  # of a subclass, such as an IntEnum
        kind: Any = next(k for k in (int, float, str) if isinstance(value, k))
        return kind(value)
    raise CheckpointError(
        f"{where} is a {type(value).__name__}, which a checkpoint can't hold: only tensors, "
        "numbers, texts, and lists and dicts of them can be read again without running code"
    )


def atomic_save(content: dict[str, Any], path: Path | str) -> None:
    """Write ``content`` with ``torch.save`` so that ``path`` is always a whole checkpoint.

    The bytes go to a temporary file in the same folder, are forced to the disk, and then take
    the name in one step. A crash at any moment leaves the old file or the new one.

    Raises:
        CheckpointError: if the disk is full, the folder can't be written, or the content holds
            what could not be read again.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "numbers.pt"
        >>> atomic_save({"epoch": 3}, path)
        >>> safe_load(path)
        {'epoch': 3}
    """
    path = Path(path)
    content = plain(content)
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            _to_disk(file.fileno())
        os.replace(temporary, path)
        if os.name == "posix":  # the new name itself must reach the disk, too
            with contextlib.suppress(PermissionError):  # a folder that may not be listed
                folder = os.open(path.parent, os.O_RDONLY)
                try:
                    _to_disk(folder)
                finally:
                    os.close(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, (OSError, RuntimeError)):
            raise
        raise CheckpointError(
            f"checkpoint {path.name} was not written ({error}); free some space in its folder "
            "or choose another one"
        ) from error


def check_writable(path: Path) -> None:
    """Find out whether a checkpoint could be written here.

    Raises:
        CheckpointError: if not; nothing is left behind.
    """
    trial = _temporary(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path.name} can't be written ({error.strerror}); choose another place"
        ) from error


def _to_disk(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def _temporary(path: Path, process: int | str | None = None) -> Path:
    """Return where a process of this machine writes a file before it takes the name ``path``."""
    process = os.getpid() if process is None else process
    return path.with_name(f".{path.name}.{socket.gethostname()}-{process}.tmp")


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes left behind, and nothing that a living one still writes."""
    if os.name != "posix":
        return
    for stale in path.parent.glob(_temporary(path, "*").name):
        number = stale.name.removesuffix(".tmp").rpartition("-")[2]
        if number.isdigit() and not _is_alive(int(number)):
            stale.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def safe_load(path: Path | str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint with ``weights_only=True``: tensors and plain values, no code.

    Raises:
        CheckpointError: if the file is missing, broken, or holds other objects.

    Example:
        >>> safe_load("no/such/file.pt")
        Traceback (most recent call last):
        ...
        helpers.train.checkpoint.CheckpointError: no checkpoint file.pt in its folder
    """
    path = Path(path)
    kind = torch.device(device).type
    if kind == "cuda" and not torch.cuda.is_available():
        raise CheckpointError(f"{path.name} can't be put on cuda, which is not here; use 'cpu'")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                if damaged := file.testzip():  # torch.load takes flipped bits for weights
                    raise RuntimeError(f"{damaged} is damaged")
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no checkpoint {path.name} in its folder") from error
    except OSError as error:
        raise CheckpointError(f"checkpoint {path.name} can't be read ({error})") from error
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"checkpoint {path.name} can't be read ({reason}); delete it and train again"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path.name} holds a {type(content).__name__}, not a checkpoint; use another file"
        )
    return content


def bare(model: nn.Module) -> nn.Module:
    """Return the model inside what ``torch.compile`` or data parallelism wrapped around it.

    The wrappers put a prefix before the names of all parameters, so that a file written with one
    would fit no model without it.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> bare(torch.compile(net)) is net
        True
    """
    while True:
        if isinstance(model, (DataParallel, DistributedDataParallel)):
            model = model.module
        elif "_orig_mod" in model._modules:  # torch.compile
            model = model.get_submodule("_orig_mod")
        else:
            return model


def save_checkpoint(
    path: Path | str, model: nn.Module, optimizer: Optimizer | None = None, **meta: Any
) -> None:
    """Save a model, and an optimiser if given, with any plain values you add.

    Args:
        path: the file; its folder is made.
        model: its ``state_dict`` is saved, not the object; of a compiled model that of the model
            inside, which fits both.
        optimizer: likewise.
        meta: numbers, texts, lists, dicts and tensors to keep beside them, e.g. ``epoch=3``.

    Raises:
        CheckpointError: if it can't be written, or ``meta`` holds other objects.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.pt"
        >>> save_checkpoint(path, nn.Linear(2, 1), epoch=3)
        >>> load_checkpoint(path, nn.Linear(2, 1))
        {'epoch': 3}
    """
    content: dict[str, Any] = {
        "model": bare(model).state_dict(),
        "versions": {"torch": str(torch.__version__)},
        "meta": meta,
    }
    if optimizer is not None:
        content["optimizer"] = optimizer.state_dict()
        content["optimizer class"] = type(optimizer).__name__
    atomic_save(content, path)


def load_checkpoint(
    path: Path | str,
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Load into a model and an optimiser what :func:`save_checkpoint`, or ``fit``, wrote.

    Returns:
        The plain values that were saved beside them.

    Raises:
        CheckpointError: if the file can't be read, or does not fit; model and optimiser are then
            as they were.

    Example: see :func:`save_checkpoint`.
    """
    name = Path(path).name
    content = safe_load(path, device)
    if "model" not in content:
        raise CheckpointError(f"{name} holds no model, only {sorted(map(str, content))}")
    if optimizer is not None and "optimizer" not in content:
        raise CheckpointError(f"{name} holds no optimiser state")
    kind = content.get("optimizer class", type(optimizer).__name__)
    if optimizer is not None and kind != type(optimizer).__name__:
        raise CheckpointError(f"{name} holds the state of {kind}, not {type(optimizer).__name__}")
    parts = {"model": bare(model)} | ({"optimizer": optimizer} if optimizer is not None else {})
    with all_or_nothing(parts):
        for key, part in parts.items():
            apply_state(part, content[key], f"{name} does not fit the {PARTS[key]}", "")
    return content.get("meta", {})


# What the parts of a checkpoint are called in messages.
PARTS = {
    "model": "model",
    "optimizer": "optimiser",
    "scheduler": "scheduler",
    "scaler": "gradient scaler",
}


class UnsavedBuffers:
    """The buffers that ``state_dict`` leaves out (``persistent=False``), for a resumed run.

    A run may change them as it goes, a count of steps for example.

    Example:
        >>> net = nn.Module()
        >>> net.register_buffer("steps", torch.tensor(3), persistent=False)
        >>> UnsavedBuffers(net).state_dict()
        {'steps': tensor(3)}
    """

    def __init__(self, model: nn.Module) -> None:
        self.places: dict[str, tuple[nn.Module, str]] = {}
        for prefix, module in model.named_modules():
            for name in sorted(module._non_persistent_buffers_set):
                self.places[f"{prefix}.{name}".removeprefix(".")] = (module, name)

    def state_dict(self) -> dict[str, Tensor | None]:
        """Return them by name; a buffer that is empty is None."""
        return {place: module._buffers[name] for place, (module, name) in self.places.items()}

    def load_state_dict(self, state: Mapping[str, Tensor | None]) -> None:
        """Put them back on the device where they are now, or on that of the module's weights.

        Raises:
            KeyError: for other names than the model's.
        """
        if other := self.places.keys() ^ state.keys():
            raise KeyError(f"other buffers: {', '.join(sorted(other))}")
        for place, (module, name) in self.places.items():
            here, there = module._buffers[name], state[place]
            if there is None:
                module._buffers[name] = None
            elif here is not None and here.shape == there.shape:
                here.copy_(there)  # whoever holds this tensor sees it
            else:
                near = next(module.parameters(), there) if here is None else here
                module._buffers[name] = there.to(near.device, copy=True)


@contextlib.contextmanager
def all_or_nothing(parts: Mapping[str, Any]) -> Iterator[None]:
    """Put the state of all parts back if applying a checkpoint fails half-way."""
    before = {key: copy.deepcopy(part.state_dict()) for key, part in parts.items()}
    try:
        yield
    except BaseException:
        for key, part in parts.items():
            part.load_state_dict(before[key])
        raise


def apply_state(
    target: Any, state: dict[str, Any], problem: str, remedy: str = " or pass resume=False"
) -> None:
    """Call ``target.load_state_dict`` and turn its complaint into a :class:`CheckpointError`."""
    try:
        target.load_state_dict(state)
        if isinstance(target, Optimizer):
            _check_shapes(target)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        # torch's first line names the class only; sizes and names stand in those that follow.
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = reason if len(reason) <= 300 else f"{reason[:300]} …"
        raise CheckpointError(
            f"{problem}: {reason}. It comes from another run: use another file{remedy}"
        ) from error


def _check_shapes(optimizer: Optimizer) -> None:
    """Refuse moments of other parameters: torch compares only how many parameters there are.

    Raises:
        ValueError: naming the shapes.
    """
    for parameter, state in optimizer.state.items():
        for name in ("exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg"):
            value = state.get(name)
            if isinstance(value, Tensor) and value.shape != parameter.shape:
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}, its parameter {tuple(parameter.shape)}"
                )
