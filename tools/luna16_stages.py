"""The stages of the LUNA16 run, each of which takes what is there and makes the rest.

What a stage makes lies in a folder, or a checkpoint, whose name is a hash of its settings and of
the stages before it: with another setting nothing old is taken over by mistake.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers import ct, files, models, train
from helpers.console import say
from helpers.train.options import fingerprint

FORMAT = 1  # of the cache; raise it when a stage computes something else
THRESHOLDS = (0.2, 0.35, 0.5, 0.7)


def option(default: Any, text: str) -> Any:
    """Return a field with a text for the command line."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of a run; the defaults are for a GPU."""

    series: int = option(0, "the first so many series; 0: all")
    fractions: tuple[float, ...] = option((0.8, 0.1, 0.1), "training, validation, test")
    seed: int = option(0, "of the split, the weights and all that is drawn")
    mm: float = option(1.0, "size of a voxel")
    slices: int = option(7, "neighbouring slices that the U-Net sees, odd")
    crop: int = option(64, "pixels of a side of its training crops")
    crops: int = option(32, "training crops of a scan")
    unet_channels: int = option(32, "channels of its first block")
    unet_depth: int = option(4, "its levels")
    unet_epochs: int = option(20, "passes over its crops")
    unet_lr: float = option(2e-3, "its highest rate")
    candidates: float = option(50.0, "false candidates of a scan that are accepted")
    box_mm: tuple[float, ...] = option((32.0, 48.0, 48.0), "box that the classifier sees")
    channels: tuple[int, ...] = option((8, 16, 32, 64), "of its blocks")
    others: int = option(20, "false candidates of a scan to learn from, and published ones")
    epochs: int = option(10, "passes over its pairs of boxes")
    lr: float = option(1e-3, "its highest rate")
    pairs: int = option(30_000, "pairs of a nodule and another in an epoch, at most")
    batch_size: int = option(32, "crops or boxes")
    false_alarms: float = option(4.0, "false alarms of a scan that are accepted")
    draws: int = option(1000, "draws of the bootstrap")
    leak: bool = option(False, "also train with a split by candidate, and compare")

    @property
    def size(self) -> tuple[int, ...]:
        """Voxels of a box; each block of the classifier halves them."""
        step = 2 ** len(self.channels)
        return tuple(step * math.ceil(mm / self.mm / step) for mm in self.box_mm)

    @property
    def larger(self) -> tuple[int, ...]:
        """Voxels of a box that is kept, with room for shifts of up to 4 mm."""
        return tuple(n + 2 * max(1, round(4 / self.mm)) for n in self.size)


QUICK: dict[str, Any] = {
    "series": 24, "mm": 2.5, "slices": 3, "crop": 32, "crops": 16, "unet_channels": 8,
    "unet_depth": 3, "unet_epochs": 3, "unet_lr": 1e-2, "channels": (8, 8), "others": 10,
    "epochs": 3, "lr": 5e-3, "pairs": 600, "batch_size": 16, "draws": 200,
}  # fmt: skip


def seed_of(series: str, seed: int) -> int:
    """Return a seed for a series that does not depend on the other series."""
    return int(hashlib.sha256(f"{series} {seed}".encode()).hexdigest()[:8], 16)


def split_for(series: Sequence[str], patient: dict[str, str], settings: Settings) -> ct.Split:
    """Divide series by patients; a patient is in one part with all series."""
    of = {name: patient.get(name, name) for name in series}
    parts = ct.series_split([*of.values()], seed=settings.seed, fractions=settings.fractions)
    return ct.Split(
        {
            part: tuple(ct.Block(n) for n in series if of[n] in {b.series for b in blocks})
            for part, blocks in parts.blocks.items()
        }
    )


def kept_split(path: Path, made: ct.Split) -> ct.Split:
    """Read the split of a folder, or write it there with its hash.

    Raises:
        ValueError: if the file holds another split than this run needs.
    """
    note = path.with_suffix(".sha256")
    if not path.exists() and not note.exists():
        files.write_text(note, made.sha256 + "\n")  # first: a split without its hash is refused
        made.write(path)
    try:
        split = ct.read_split(path, note.read_text("ascii").strip())
    except FileNotFoundError:
        raise ValueError(f"{path.name} or {note.name} is missing: delete the other one") from None
    if split.sha256 != made.sha256:
        raise ValueError(
            f"{path.name} does not fit: it divides other series, or by another seed; choose "
            "another folder for --work, or delete it and its .sha256"
        )
    return split


class Run:
    """The stages, each of which takes what is there and makes the rest."""

    def __init__(self, folder: Path, work: Path, settings: Settings, *, device: torch.device,
                 patient: dict[str, str] | None = None) -> None:  # fmt: skip
        self.work, self.settings, self.device = work, settings, device
        self.sums_path = work / "sums.json"
        known = json.loads(self.sums_path.read_text()) if self.sums_path.exists() else {}
        self.checked = ct.check_luna16(folder, known)
        files.write_json(self.sums_path, known)
        self.luna = ct.Luna16(folder)
        names = self.luna.series[: settings.series or None]
        self.patient = patient or {}
        self.split = kept_split(work / "split.json", split_for(names, self.patient, settings))
        self.parts = {p: [b.series for b in blocks] for p, blocks in self.split.blocks.items()}
        self.stamps = {name: self.luna.stamp(name) for name in names}
        lists = [hashlib.sha256((folder / name).read_bytes()).hexdigest()
                 for name in ("annotations.csv", "candidates_V2.csv")]  # fmt: skip
        self.keys = {"scans": fingerprint({"format": FORMAT, "mm": settings.mm, "lists": lists})}
        self.stages: dict[str, dict[str, Any]] = {}
        self.scans = ct.Store(work / f"scans-{self.keys['scans']}")
        self.last: ct.Prepared | None = None  # unpacking one takes a while

    # ------------------------------------------------------------ what every stage uses

    def key(self, name: str, *before: str, **settings: Any) -> str:
        """Name a stage by its settings and the stages that it depends on."""
        before_it = {one: self.keys[one] for one in before}
        self.keys[name] = fingerprint({"name": name, **before_it, **settings})
        return f"{name}-{self.keys[name]}"

    def pick(self, *names: str) -> dict[str, Any]:
        """Return some of the settings by name."""
        return {name: getattr(self.settings, name) for name in names}

    @contextmanager
    def stage(self, name: str, store: ct.Store | None = None) -> Iterator[None]:
        """Note time and memory of a stage, and what it made and took over."""
        cuda, start = self.device.type == "cuda", time.perf_counter()
        if cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        yield
        entry: dict[str, Any] = {"seconds": round(time.perf_counter() - start, 2)}
        if cuda:
            entry["peak_gpu_bytes"] = torch.cuda.max_memory_allocated(self.device)
        if store is not None:
            entry |= {"made": store.made, "reused": store.reused}
        self.stages[name] = entry
        say(f"{name}: {', '.join(f'{k} {v}' for k, v in entry.items())}", flush=True)

    def one(self, series: str) -> ct.Prepared:
        """Return a scan as the chain uses it; it is read from its files at most once."""

        def make() -> dict[str, np.ndarray]:
            scan = self.luna.scan(series)
            return ct.prepare(scan, self.luna.table(scan), mm=self.settings.mm).arrays()

        if self.last is None or self.last.scan.series != series:
            arrays = self.scans.get(series, make, source=self.stamps[series])
            self.last = ct.Prepared.of(arrays, series)
        return self.last

    def joined(self, store: ct.Store, part: str, make: Callable[[str], dict[str, np.ndarray]],
               *names: str) -> tuple[Tensor, ...]:  # fmt: skip
        """Join the arrays of all series of a part."""
        rows: dict[str, list[Tensor]] = {name: [] for name in names}
        for series in self.parts[part]:
            arrays = store.get(
                series, functools.partial(make, series), source=self.stamps[series]
            )  # fmt: skip
            for name in names:
                rows[name].append(torch.from_numpy(arrays[name]))
        return tuple(torch.cat(rows[name]) for name in names)

    def fit(self, name: str, model: nn.Module, loader: Any, held: Any, loss_fn: Any, lr: float,
            epochs: int) -> nn.Module:  # fmt: skip
        """Train with one cycle of the rate; a run that was stopped goes on from its checkpoint."""
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, lr, total_steps=epochs * len(loader)
        )
        history = train.fit(
            model, loader, held, loss_fn, optimizer, epochs=epochs, device=self.device,
            scheduler=schedule, schedule="step", checkpoint=self.work / f"{name}.pt",
            checkpoint_every=500, verbose=1, progress=False,
        )  # fmt: skip
        if history.interrupted:
            raise KeyboardInterrupt
        return model.eval()

    # ------------------------------------------------------------ the stages

    def prepare(self) -> None:
        """Bring all scans to one voxel size."""
        self.unclear: list[str] = []
        self.nodules = self.off = 0
        with self.stage("scans", self.scans):
            for number, series in enumerate(self.stamps, 1):
                one = self.one(series)
                if not one.found:
                    self.unclear.append(series)
                inside = one.scan.to_voxel(one.nodules[ct.shown(one.nodules, one)])
                self.nodules += len(one.nodules)
                self.off += len(one.nodules) - int(one.lungs[tuple(inside.T)].sum())
                if number % 50 == 0:
                    say(f"  {number} of {len(self.stamps)} scans", flush=True)
        # What follows depends on the scans as they are now, and on how they are divided.
        self.key("data", "scans", stamps=self.stamps, split=self.split.sha256)

    def outline(self) -> None:
        """Train the U-Net on crops and let it outline every scan."""
        s = self.settings
        crop = {"slices": s.slices, "width": s.crop, "count": s.crops}
        store = ct.Store(self.work / self.key("crops", "scans", seed=s.seed, **crop))

        def make(series: str) -> dict[str, np.ndarray]:
            x, mask = ct.outline_crops(self.one(series), seed=seed_of(series, s.seed), **crop)
            return {"x": x.numpy(), "mask": mask.numpy()}

        with self.stage("crops", store):
            fit, held = (self.joined(store, part, make, "x", "mask")
                         for part in ("train", "validation"))  # fmt: skip
        name = self.key("unet", "data", "crops", device=self.device.type, **self.pick(
            "unet_channels", "unet_depth", "unet_epochs", "unet_lr", "batch_size"))  # fmt: skip
        torch.manual_seed(s.seed)
        self.unet: nn.Module = models.UNet(s.slices, 1, channels=s.unet_channels,
                                           depth=s.unet_depth, padding=True,
                                           batch_norm=True)  # fmt: skip
        with self.stage("unet"):
            loader = ct.outline_loader(*fit, batch_size=s.batch_size, seed=s.seed)
            val = ct.outline_loader(*held, batch_size=s.batch_size)
            self.fit(name, self.unet, loader, val, ct.outline_loss, s.unet_lr, s.unet_epochs)
        self.outlines = ct.Store(self.work / self.key("outlines", "unet"))
        with self.stage("outlines", self.outlines):
            for series in self.stamps:
                self.probability(series)

    def probability(self, series: str) -> Tensor:
        """Return the outline of a scan, 0 to 255."""

        def make() -> dict[str, np.ndarray]:
            s = self.settings
            found = ct.segment(self.unet, self.one(series), slices=s.slices,
                               multiple=2 ** (s.unet_depth - 1))  # fmt: skip
            return {"probability": found.numpy()}

        arrays = self.outlines.get(series, make, source=self.stamps[series])
        return torch.from_numpy(arrays["probability"])

    def mask(self, series: str) -> Tensor:
        """Return what lies above the threshold."""
        return self.probability(series) > 255 * self.threshold

    def candidates(self, series: str) -> Tensor:
        """Return the centres of the groups in mm."""
        return self.one(series).scan.to_xyz(ct.groups(self.mask(series), self.grouping))

    def calibrate(self) -> None:
        """Choose threshold and grouping on the validation part, as chapter 26 does."""
        options = [(t, g) for t in THRESHOLDS for g in ct.GROUPINGS]
        store = ct.Store(self.work / self.key("groups", "outlines", options=options))

        def make(series: str) -> dict[str, np.ndarray]:
            one, found = self.one(series), self.probability(series)
            rows = []
            for threshold, grouping in options:
                xyz = one.scan.to_xyz(ct.groups(found > 255 * threshold, grouping))
                hit = ct.hits(xyz, one)
                rows.append([int(hit.any(0).sum()), int((~hit.any(1)).sum())])
            return {"rows": np.array([rows])}

        with self.stage("groups", store):
            (rows,) = self.joined(store, "validation", make, "rows")
        hit, false = rows.sum(0).T.tolist()
        scans = len(self.parts["validation"])
        allowed = [k for k in range(len(options)) if false[k] <= self.settings.candidates * scans]
        best = (max(allowed, key=lambda k: (hit[k], -false[k])) if allowed
                else min(range(len(options)), key=lambda k: false[k]))  # fmt: skip
        self.threshold, self.grouping = options[best]
        self.chosen = {"threshold": self.threshold, "grouping": self.grouping,
                       "validation_nodules_with_a_candidate": hit[best],
                       "false_candidates_a_scan": false[best] / scans}  # fmt: skip

    def boxes(self, part: str) -> tuple[Tensor, ...]:
        """Return boxes of nodules and of others of a part."""
        s = self.settings
        options = {"threshold": self.threshold, "grouping": self.grouping, "larger": s.larger,
                   "others": s.others, "seed": s.seed}  # fmt: skip
        store = ct.Store(self.work / self.key("boxes", "outlines", **options))

        def make(series: str) -> dict[str, np.ndarray]:
            one, xyz = self.one(series), self.candidates(series)
            kinds = ct.places(one, xyz, others=s.others, seed=seed_of(series, s.seed))
            nodules, others = (ct.boxes(one, some, s.larger).numpy() for some in kinds)
            return {"nodules": nodules, "others": others}

        with self.stage(f"boxes, {part}", store):
            return self.joined(store, part, make, "nodules", "others")

    def classify(self, name: str, kinds: tuple[Tensor, ...]) -> nn.Module:
        """Train a classifier on balanced batches."""
        s = self.settings
        options = self.pick("channels", "box_mm", "epochs", "lr", "pairs", "batch_size", "seed")
        key = self.key(name, "data", "boxes", device=self.device.type, **options)
        torch.manual_seed(s.seed)
        with self.stage(name):
            loader = ct.box_loader(*kinds, size=s.size, batch_size=s.batch_size, seed=s.seed,
                                   at_most=s.pairs)  # fmt: skip
            model = models.LunaModel(s.size, s.channels)
            return self.fit(key, model, loader, None, nn.CrossEntropyLoss(), s.lr, s.epochs)

    # ------------------------------------------------------------ what comes out

    def traces(self, part: str, judge: nn.Module) -> list[ct.Trace]:
        """Send the scans of a part through the chain."""
        out = []
        for series in self.parts[part]:
            one = self.one(series)
            score = self.score(judge, one)
            out.append(ct.trace(one, self.mask(series), self.candidates(series), score))
        return out

    def score(self, judge: nn.Module, one: ct.Prepared) -> Callable[[Tensor], Tensor]:
        """Return what judges places of a scan."""
        return lambda xyz: ct.score_boxes(judge, one, xyz, self.settings.size)

    def published(self, part: str, judge: nn.Module) -> list[ct.Trace]:
        """Let the classifier judge LUNA16's candidates in place of the chain's own."""
        out = []
        for series in self.parts[part]:
            one = self.one(series)
            rows = self.luna.published(series)[["coordX", "coordY", "coordZ"]]
            xyz = torch.from_numpy(rows.to_numpy(dtype=float).copy().reshape(-1, 3))
            nothing = torch.zeros_like(one.lungs)
            out.append(ct.trace(one, nothing, xyz, self.score(judge, one)))
        return out

    def perfect(self, part: str, judge: nn.Module, stage: str) -> list[ct.Trace]:
        """Send the scans of a part through the chain with one stage replaced by the truth."""
        out = []
        for series in self.parts[part]:
            one = self.one(series)
            score = self.score(judge, one)
            out.append(ct.with_perfect(stage, one, self.mask(series), self.grouping, score))
        return out

    def patients(self, part: str) -> list[str]:
        """Return the patient of each series of a part."""
        return [self.patient.get(series, series) for series in self.parts[part]]
