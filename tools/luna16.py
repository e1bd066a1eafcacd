"""Run the chain of chapters 23 to 26 on a LUNA16 folder, from the scans to the error budget.

    python -m tools.luna16 --folder DIR --out results.json     # or COURSE_LUNA16=DIR
    python -m tools.luna16 --quick                             # a few scans, coarse, on the CPU

One scan is read after another, once. What is made lies in the folder of --work; a second start
with the same settings goes on where the first was stopped. A cut of null in the results means that
every candidate is an alarm. LUNA16 (CC BY 4.0) comes from Zenodo, records 3723295 and 4121926. At
full size: a GPU, about 16 GB of memory and 30 GB of disk beside the data.

The numbers are those of a small chain on one split of the scans. They differ from the challenge's:
no ten folds, and findings that its scoring leaves out count as false alarms here. They are no
statement about patients.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data_scripts import data_root  # noqa: E402 - the line above lets a bare checkout find them
from helpers import ct, env, files, machine, records, train  # noqa: E402
from helpers.console import say  # noqa: E402
from tools.luna16_stages import QUICK, Run, Settings  # noqa: E402

RATES = (1.0, 4.0, 8.0)  # false alarms a scan at which sizes are looked at


def plain(value: Any) -> Any:
    """Make a value fit for JSON, which knows no infinity: None in its place."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def measured(traces: Sequence[ct.Trace], cut: float) -> dict[str, float]:
    """Return sensitivity and false alarms a scan at a cut."""
    false = sum(int((one.false > cut).sum()) for one in traces) / len(traces)
    return {"sensitivity": ct.sensitivity(traces, cut), "false_alarms_a_scan": false}


def froc(run: Run, traces: Sequence[ct.Trace]) -> dict[str, Any]:
    """Return the free-response curve at LUNA16's seven rates, with intervals over patients."""
    patients, draws = run.patients("test"), run.settings.draws
    unit = "patients" if run.patient else "series, each taken for a patient"
    at = [ct.sensitivity_at(ct.free_response(traces), rate) for rate in ct.FROC_RATES]
    low, high = ct.froc_interval(traces, patients, draws=draws)
    return {
        "false_alarms_a_scan": ct.FROC_RATES,
        "sensitivity": at,
        "low": low[:-1],
        "high": high[:-1],
        "mean": {"value": float(np.mean(at)), "low": low[-1], "high": high[-1]},
        "interval": f"95 %, bootstrap over {len(set(patients))} {unit}, {draws} draws",
    }


def error_budget(run: Run, judge: nn.Module, tested: list[ct.Trace], cut: float) -> dict[str, Any]:
    """Return where the test nodules were lost, and what a perfect stage would gain.

    Raises:
        RuntimeError: if the rows do not add up to all nodules and to the sensitivity.
    """
    rows, before = ct.fates(tested, cut), ct.sensitivity(tested, cut)
    nodules = sum(len(one.score) for one in tested)
    if sum(rows.values()) != nodules or not math.isclose(rows["found"], before * nodules):
        raise RuntimeError(f"the rows of the error budget do not add up: {rows} of {nodules}")
    gains = {
        stage: ct.sensitivity(run.perfect("test", judge, stage), cut) - before
        for stage in ("segmentation", "grouping", "classifier")
    }
    return {"nodules": nodules, "rows": rows, "gain_if_perfect": gains}


def auc(judge: nn.Module, kinds: Sequence[Tensor], size: Sequence[int]) -> float:
    """Return the AUC of boxes of nodules against others, looked at in their middles."""
    from sklearn.metrics import roc_auc_score

    scores = []
    for kind in kinds:
        starts = [(have - want) // 2 for have, want in zip(kind.shape[1:], size, strict=True)]
        for dim, (start, want) in enumerate(zip(starts, size, strict=True), 1):
            kind = kind.narrow(dim, start, want)
        batches = ((ct.scaled(part).unsqueeze(1), None) for part in kind.split(256))
        logits = train.predict(judge, batches)
        scores.append((logits[:, 1] - logits[:, 0]).numpy())
    truth = np.repeat([1, 0], [len(one) for one in scores])
    return float(roc_auc_score(truth, np.concatenate(scores)))


def leak(run: Run, judge: nn.Module, taught: tuple[Tensor, ...]) -> dict[str, Any]:
    """Train once more with a split by candidate, and judge both on the same boxes.

    Every tenth box of the validation part is held back; the leaky classifier is also taught with
    the other nine, which come from the same scans.
    """
    boxes = run.boxes("validation")
    held = [kind[::10] for kind in boxes]
    seen = [kind[torch.arange(len(kind)) % 10 != 0] for kind in boxes]
    mixed = tuple(torch.cat(pair) for pair in zip(taught, seen, strict=True))
    leaky = run.classify("leaky-classifier", mixed)
    out: dict[str, Any] = {"held_boxes": [len(kind) for kind in held]}
    for name, model in (("by_series", judge), ("by_candidate", leaky)):
        traces = run.traces("validation", model)
        cut = ct.cut_at(traces, run.settings.false_alarms)
        out[name] = {"auc": auc(model, held, run.settings.size), **measured(traces, cut)}
    return out


def report(run: Run) -> dict[str, Any]:
    """Run all stages and return what is to be written."""
    s = run.settings
    run.prepare()
    run.outline()
    run.calibrate()
    taught = run.boxes("train")
    judge = run.classify("classifier", taught)
    with run.stage("chain"):
        held, tested = (run.traces(part, judge) for part in ("validation", "test"))
        cut = ct.cut_at(held, s.false_alarms)
        sizes = {rate: ct.by_diameter(tested, ct.cut_at(held, rate)) for rate in RATES}
        chain = {
            "cut": cut,
            "validation": measured(held, cut),
            "test": measured(tested, cut),
            "froc": froc(run, tested),
            "by_diameter_at_false_alarms_a_scan": sizes,
            "error_budget": error_budget(run, judge, tested, cut),
        }
    with run.stage("published candidates"):
        judged = run.published("test", judge)
        published = {
            "reachable": float(np.concatenate([one.grouped for one in judged]).mean()),
            "froc": froc(run, judged),
        }
    leaks = leak(run, judge, taught) if s.leak else None
    return {
        "note": __doc__.rsplit("\n\n", 1)[-1].strip().replace("\n", " "),
        "data": {"name": "LUNA16", "licence": "CC BY 4.0", **run.checked, "used": len(run.stamps),
                 "nodules": run.nodules, "nodules_off_the_lungs": run.off,
                 "no_lungs_found": run.unclear},
        "settings": dataclasses.asdict(s),
        "split": {"sha256": run.split.sha256, "unit": "patient" if run.patient else "series",
                  **{part: len(names) for part, names in run.parts.items()}},
        "outlines": run.chosen,
        "chain": chain,
        "published_candidates": published,
        "leak": leaks,
        "stages": run.stages,
        "device": str(run.device),
        "machine": machine.hardware(),
        "code": {"helpers": machine.code_hash(),
                 "commit": records.provenance(ROOT, "26_ct_pipeline")["commit"]},
    }  # fmt: skip


def names_of_patients(path: Path) -> dict[str, str]:
    """Read a table with the columns ``seriesuid`` and ``patient``.

    Raises:
        ValueError: for other columns.
    """
    import pandas as pd

    table = pd.read_csv(path, dtype=str)
    if not {"seriesuid", "patient"} <= set(table.columns):
        raise ValueError(f"{path.name} needs the columns seriesuid and patient")
    return dict(zip(table.seriesuid, table.patient, strict=True))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", help="the LUNA16 folder; default COURSE_LUNA16")
    parser.add_argument("--out", type=Path, default=Path("luna16.json"), help="the results")
    parser.add_argument("--work", type=Path, help="what is made; default: the course's data folder")
    parser.add_argument("--quick", action="store_true", help="few scans, coarse, short, on the CPU")
    parser.add_argument("--patients", type=Path, help="CSV with seriesuid and patient; without it "
                        "each series counts as a patient, since LUNA16 names none")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    for field in dataclasses.fields(Settings):
        name, text = "--" + field.name.replace("_", "-"), field.metadata["help"]
        if field.type == "bool":
            parser.add_argument(name, action="store_true", default=None, help=text)
            continue
        several = {"nargs": "+"} if "tuple" in str(field.type) else {}
        kind = int if "int" in str(field.type) else float
        text += f" (default {field.default}, quick {QUICK.get(field.name, field.default)})"
        parser.add_argument(name, type=kind, help=text, **several)  # type: ignore[arg-type]
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the defaults, of a quick run if it is one, with what was given."""
    given = {
        field.name: tuple(value) if isinstance(value, list) else value
        for field in dataclasses.fields(Settings)
        if (value := getattr(options, field.name)) is not None
    }
    return Settings(**{**(QUICK if options.quick else {}), **given})


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status is 1 if the folder or a setting does not do."""
    options = parsed(arguments)
    settings = settings_of(options)
    try:
        folder = options.folder or os.environ.get("COURSE_LUNA16")
        if not folder or not Path(folder).is_dir():
            raise FileNotFoundError("name the LUNA16 folder with --folder or COURSE_LUNA16")
        if not options.out.resolve().parent.is_dir():  # asked now, not after hours
            raise FileNotFoundError(f"there is no folder for {options.out.name}")
        work = options.work or data_root() / "luna16"
        work.mkdir(parents=True, exist_ok=True)
        patient = names_of_patients(options.patients) if options.patients else None
        try:
            device = env.pick_device("cpu" if options.quick else options.device)
        except RuntimeError as error:  # no such device: what is raised later is no such matter
            raise ValueError(error) from None
        with FileLock(work / ".lock", timeout=0):
            run = Run(Path(folder), work, settings, device=device, patient=patient)
            found = report(run)
        files.write_json(options.out, plain(found))
    except Timeout:
        print("luna16: another run uses this folder of --work", file=sys.stderr)
        return 1
    except (OSError, ValueError, train.CheckpointError) as error:
        print(f"luna16: {error}", file=sys.stderr)
        return 1
    test, score = found["chain"]["test"], found["chain"]["froc"]["mean"]
    say(f"test: sensitivity {test['sensitivity']:.3f} at {test['false_alarms_a_scan']:.1f} false "
        f"alarms a scan; mean of the seven rates {score['value']:.3f}")  # fmt: skip
    say(f"written: {options.out.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
