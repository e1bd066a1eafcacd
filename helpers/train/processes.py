"""The processes of a ``torchrun`` launch: what must be equal is made equal, or refused.

Every process draws the same batches and keeps its share of the examples. What the draw depends on
(the random state, the order, the loaders) is taken from the first process, and compared with it
batch by batch; the model's own random numbers, such as dropout, differ between processes.
"""

from __future__ import annotations

import atexit
import os
import random
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler

from helpers.train.batch import rows, shard
from helpers.train.rng import rng_state, samplers, set_rng_state

_END = object()
# Made once for all calls of fit: groups stay in torchrun's store, and a second one could meet
# the addresses of the first and wait for ever.
_control: list[Any] = []


class Processes:
    """The processes of this launch; one without ``torchrun``.

    Args:
        device: where this process computes.
        generators: those of the loaders, which decide the order of the examples.
        world: the number of processes; default what ``torchrun`` says.
    """

    def __init__(
        self,
        device: torch.device,
        generators: list[torch.Generator],
        world: int | None = None,
    ) -> None:
        self.device = device
        self.generators = generators
        self.world = int(os.environ.get("WORLD_SIZE", "1")) if world is None else world
        self.rank = 0
        self.draws: dict[str, Any] = {}
        if self.world == 1:
            return
        if device.type == "cuda":
            # Collectives work on the current device, whatever device the tensors are on.
            torch.cuda.set_device(device)
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(dist.destroy_process_group)
        if not _control:
            _control.append(dist.new_group(backend="gloo"))
        self.rank = dist.get_rank()
        self.share_random_state()

    # -- random numbers ----------------------------------------------------------------------

    def share_random_state(self) -> None:
        """Give all processes the first one's state for draws, and each its own for the model."""
        self.draws = self.from_first(rng_state(self.generators, None))
        set_rng_state(self.draws, self.generators, None)
        seed = int(torch.randint(2**31, ()))
        random.seed(seed + self.rank)
        np.random.seed(seed + self.rank)  # noqa: NPY002 - the readers' libraries draw from it
        torch.manual_seed(seed + self.rank)

    def return_random_state(self) -> None:
        """Go on behind the training with the state of the draws, alike in all processes.

        It is that of one process whose model draws nothing: a program that then makes a model, or
        shuffles, does so as without ``torchrun``.
        """
        if self.world > 1:
            set_rng_state(self.draws, [], None)

    def draw(self, loader: Iterable[Any]) -> Iterator[Any]:
        """Iterate over a loader with the common random numbers, and compare each batch.

        Raises:
            RuntimeError: if the processes do not draw the same batches.
        """
        return iter(loader) if self.world == 1 else self._drawn(loader)

    def _drawn(self, loader: Iterable[Any]) -> Iterator[Any]:
        shares = hands_out_shares(loader)
        batches = self._aside(lambda: iter(loader))
        while True:
            batch = self._aside(lambda: next(batches, _END))
            mark = -1 if batch is _END else 0 if shares else _checksum(batch)
            if not self.all_equal(mark):
                raise RuntimeError(
                    "the processes drew different batches, or not equally many: what a loader "
                    "hands out must not depend on the process (a generator seeded by rank, a "
                    "sampler of its own that is no DistributedSampler, a set without an order)"
                )
            if batch is _END:
                return
            yield batch

    def _aside(self, draw: Any) -> Any:
        """Call a function with the random state for draws; keep the model's state apart."""
        own = rng_state([], None)
        set_rng_state(self.draws, [], None)
        try:
            return draw()
        finally:
            self.draws = rng_state(self.generators, None)
            set_rng_state(own, [], None)

    # -- shares ------------------------------------------------------------------------------

    def share(self, *parts: Any, cut: Any = shard) -> tuple[Any, ...]:
        """Return this process's part of each part of a batch, its examples, and those of all.

        Where no example is left for this process its number is 0; it still gets one, with which
        it takes part in the exchange of gradients.
        """
        batch = parts if len(parts) > 1 else parts[0]
        own, total = cut(batch, self.rank, self.world)
        mine = len(range(self.rank, total, self.world))
        return (*own, mine) if len(parts) > 1 else (own, mine, total)

    def own_part(self, batch: Any, loader: Any) -> tuple[Any, int, int]:
        """Return what this process trains on of a loader's batch, its examples, those of all.

        A ``DistributedSampler`` has chosen this process's examples already; a loader's method
        ``shard`` takes the place of :func:`helpers.train.batch.shard`.
        """
        if hands_out_shares(loader):
            mine = rows(batch)
            return batch, mine, int(self.sums([mine])[0])
        batch, mine, total = self.share(batch, cut=getattr(loader, "shard", shard))
        return batch, mine, total

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap a model so that its gradients are averaged over the processes."""
        if self.world == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        # A parameter may take no part in a loss, as in one process. Where all do, PyTorch logs a
        # warning, once, about the search for it.
        return DistributedDataParallel(model, devices, find_unused_parameters=True)

    # -- agreement ---------------------------------------------------------------------------

    def gather(self, value: Any) -> list[Any]:
        """Return what each process gave."""
        if self.world == 1:
            return [value]
        box: list[Any] = [None] * self.world
        dist.all_gather_object(box, value, group=_control[0])
        return box

    def all_equal(self, value: int) -> bool:
        """Tell whether all processes gave the same number; cheaper than :meth:`gather`."""
        pair = torch.tensor([value, -value])
        dist.all_reduce(pair, dist.ReduceOp.MAX, group=_control[0])
        highest, lowest = pair.tolist()
        return highest == -lowest

    def from_first(self, value: Any) -> Any:
        """Return what the first process gave."""
        if self.world == 1:
            return value
        box = [value if self.rank == 0 else None]
        dist.broadcast_object_list(box, src=0, group=_control[0])
        return box[0]

    def sums(self, values: list[float]) -> list[float]:
        """Add up numbers over the processes."""
        if self.world == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=_control[0])
        return total.tolist()


def hands_out_shares(loader: Any) -> bool:
    """Tell whether a loader gives each process its own examples already."""
    return any(isinstance(sampler, DistributedSampler) for sampler in samplers(loader))


def _checksum(value: Any) -> int:
    """Return a number that differs, nearly always, between different batches.

    The first and the last example are enough: a whole batch would take as long as a step.
    """
    if isinstance(value, Tensor):
        lines = value if value.ndim else value.unsqueeze(0)
        ends = torch.cat([lines[:1].flatten()[:256], lines[-1:].flatten()[-256:]])
        content = ends.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
        return zlib.crc32(content, zlib.crc32(repr(tuple(value.shape)).encode()))
    if isinstance(value, (str, bytes, int, float)):
        return zlib.crc32(repr(value).encode())
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return zlib.crc32(repr([_checksum(v) for v in value]).encode())
    return 0
