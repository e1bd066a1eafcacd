"""Records name the code that measured, replace earlier runs, and read the same everywhere."""

import contextlib
import json
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import env, records, results
from tools import records as tool

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "helpers" / "recorded"
CODE = {"cell_type": "code", "source": ["x = 1\n", "x"], "metadata": {}, "outputs": []}
INSTALL = CODE | {"source": "pip install", "metadata": {"tags": ["remove-cell"]}}
TEXT = {"cell_type": "markdown", "source": "words", "metadata": {}}


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write_notebook(root, *cells, name="00_test"):
    path = root / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": list(cells)}), encoding="utf-8")
    return path


@pytest.fixture
def checkout(tmp_path):
    """Return a small repository with one notebook and one module, both committed."""
    git(tmp_path, "init", "-q")
    (tmp_path / "helpers" / "recorded").mkdir(parents=True)
    (tmp_path / "helpers" / "a.py").write_text("a = 1\n")
    write_notebook(tmp_path, CODE)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")
    return tmp_path


@pytest.fixture
def start(monkeypatch, checkout):
    """Return a function that starts a run which records into the small repository."""
    monkeypatch.setattr(env, "checkout_root", lambda: checkout)
    monkeypatch.setattr(results, "folder", lambda: checkout / "helpers" / "recorded")
    monkeypatch.setenv("COURSE_PROFILE", "quick")

    def begin(mode="official"):
        monkeypatch.setenv("COURSE_DATA", mode)
        return env.start("00_test")

    return begin


def entry(**changes):
    return {
        "item": "K7.r2", "what": "time", "value": 0.5, "low": 0.5, "high": 0.5, "seeds": 1,
        "unit": "s", "source": None, "band": None, "verdict": "measured", "reason": "",
        "tier": "no data set", "dataset": "", "profile": "quick",
        "hardware": "CPU X (2 logical cores, 1 thread)", "versions": {"torch": "2.14.1"},
        "date": "2026-11-25", "code": "", "commit": "", "dirty": [],
    } | changes  # fmt: skip


# -- the code that measured ----------------------------------------------------------------------


def test_hash_follows_the_code_and_nothing_else():
    base = records.code_hash({"cells": [CODE]})
    assert len(base) == 12
    same = [
        [CODE | {"source": "x = 1\nx"}],
        [CODE | {"outputs": [{"text": "1"}], "metadata": {"ledger": ["K1.c1"]}}],
        [TEXT, CODE],
        [INSTALL, CODE],
    ]
    assert {records.code_hash({"cells": cells}) for cells in same} == {base}
    other = [[CODE | {"source": "x = 2\nx"}], [CODE, CODE], [CODE, INSTALL], []]
    assert base not in {records.code_hash({"cells": cells}) for cells in other}
    assert records.code_hash({"cells": [CODE | {"source": "ab"}]}) != records.code_hash(
        {"cells": [CODE | {"source": "a"}, CODE | {"source": "b"}]}
    )


def test_a_clean_tree_names_its_commit(checkout):
    found = records.provenance(checkout, "00_test")
    assert found["commit"] == git(checkout, "rev-parse", "--short=12", "HEAD")
    assert found["dirty"] == []
    assert found["code"] == records.code_hash({"cells": [CODE]})
    assert records.contains(checkout, found["commit"], "00_test")
    assert not records.contains(checkout, found["commit"], "01_other")


def test_stored_outputs_and_new_records_do_not_make_a_tree_dirty(checkout):
    write_notebook(checkout, CODE | {"outputs": [{"text": "1"}]}, TEXT)
    (checkout / "helpers" / "recorded" / "00_test.json").write_text("{}")
    assert records.provenance(checkout, "00_test")["commit"]


@pytest.mark.parametrize("name", ["helpers/a.py", "helpers/new.py", "tools/x.py"])
def test_a_changed_or_new_module_takes_the_commit_away(checkout, name):
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("a = 2\n")
    found = records.provenance(checkout, "00_test")
    assert (found["commit"], found["dirty"]) == ("", [name])
    assert found["code"]


def test_changed_cells_or_a_notebook_outside_the_commit_take_it_away(checkout):
    write_notebook(checkout, CODE, CODE)
    found = records.provenance(checkout, "00_test")
    assert (found["commit"], found["dirty"]) == ("", ["notebooks/00_test.ipynb"])
    write_notebook(checkout, CODE, name="01_new")
    assert records.provenance(checkout, "01_new")["dirty"] == ["notebooks/01_new.ipynb"]
    assert records.provenance(checkout, "02_absent")["code"] == ""
    assert records.provenance(checkout, "02_absent")["commit"] == ""


def test_many_changed_files_are_counted(checkout):
    for number in range(8):
        (checkout / "helpers" / f"n{number}.py").write_text("")
    dirty = records.provenance(checkout, "00_test")["dirty"]
    assert dirty[:2] == ["helpers/n0.py", "helpers/n1.py"]
    assert dirty[-1] == "and 3 more"


def test_without_a_repository_there_is_a_hash_but_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write_notebook(tmp_path, CODE)
    found = records.provenance(tmp_path, "00_test")
    assert found["code"]
    assert found["commit"] == ""


@pytest.mark.skipif(records.is_shallow(ROOT), reason="needs the history")
def test_every_commit_that_a_record_names_contains_its_notebook():
    for path in FOLDER.glob("[0-9]*.json"):
        for commit in {e["commit"] for e in records.read(path)} - {""}:
            assert records.contains(ROOT, commit, path.stem), f"{path.name}: {commit}"


# -- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "standin"])
def test_only_an_official_run_writes(start, checkout, mode):
    results.record("K7.r2", "accuracy", 0.5, run=start(mode))
    assert not list(checkout.rglob("*.json"))


def test_a_record_names_tier_code_and_commit(start, checkout):
    class Data:
        name, tier = "mnist", "stand-in"

    results.record("K7.r2", "accuracy", 0.5, run=start(), data=Data())
    (found,) = results.load()
    assert found["tier"] == "stand-in"
    assert found["code"] == records.code_hash({"cells": [CODE]})
    assert found["commit"] == git(checkout, "rev-parse", "--short=12", "HEAD")
    assert "commit " + found["commit"] in records.when(found)


@pytest.mark.parametrize(
    "values",
    [
        (0.25, 0.75),
        np.array([[0.25], [0.75]]),
        torch.tensor([0.25, 0.75], requires_grad=True),
        torch.tensor([0.25, 0.75], dtype=torch.bfloat16),
        [np.float32(0.25), torch.tensor(0.75)],
    ],
)
def test_seeds_come_in_any_container(start, values):
    results.record("K7.r2", "accuracy", values, run=start())
    (found,) = results.load()
    assert (found["value"], found["low"], found["high"], found["seeds"]) == (0.5, 0.25, 0.75, 2)


@pytest.mark.parametrize("values", [[], np.array([]), np.array([1.0, np.inf]), torch.tensor([])])
def test_what_is_no_measurement_is_refused(start, values):
    with pytest.raises(ValueError, match="not a finite measurement"):
        results.record("K7.r2", "accuracy", values, run=start())


def test_a_run_replaces_all_that_earlier_runs_left(start):
    first = start()
    results.record("K7.r2", "accuracy", 0.5, run=first)
    results.record("K7.r2", "accurracy of the net", 0.5, run=first)
    assert len(results.load()) == 2
    second = start()
    results.record("K7.r2", "accuracy", 0.6, run=second)
    results.record("K7.r2", "accuracy of the net", 0.7, run=second)
    assert {e["what"]: e["value"] for e in results.load()} == {
        "accuracy": 0.6,
        "accuracy of the net": 0.7,
    }


def test_another_number_of_threads_is_the_same_machine():
    old = entry(hardware="CPU X (2 logical cores, 2 threads)")
    new = entry(date="2026-11-27T10:00:01+00:00")
    assert records.merged([old], new, "2026-11-27T10:00:00+00:00") == [new]


@pytest.mark.parametrize("other", [{"profile": "full"}, {"hardware": "H200"}])
def test_other_machines_and_profiles_stay(other):
    old, new = entry(**other), entry(date="2026-11-27T10:00:01+00:00")
    both = records.merged([old], new, "2026-11-27T10:00:00+00:00")
    assert sorted(both, key=str) == sorted([old, new], key=str)


def test_two_that_record_at_once_lose_nothing(start, monkeypatch):
    run = start()
    results.record("K7.r2", "first", 0.5, run=run)
    read, both = records.read, threading.Barrier(2)

    def read_and_wait(path):
        found = read(path)
        # Without a lock both have read the same file before one of them writes.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=2)
        return found

    monkeypatch.setattr(records, "read", read_and_wait)
    names = ["second", "third"]
    threads = [
        threading.Thread(target=results.record, args=("K7.r2", name, 0.5), kwargs={"run": run})
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.setattr(records, "read", read)
    assert {e["what"] for e in results.load()} == {"first", *names}


def test_a_folder_that_refuses_costs_one_line(start, checkout, monkeypatch, capsys):
    run = start()

    def refuse(self, *_, **__):  # what the system does in a folder without write permission
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(results, "_said", set())
    capsys.readouterr()
    results.record("K7.r2", "accuracy", 0.5, run=run)
    results.record("K7.r2", "loss", 0.5, run=run)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("results of 00_test are not recorded: Permission denied")
    assert "copy of the course" in line
    assert str(checkout) not in line


def test_under_torchrun_only_the_first_process_writes(start, checkout, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    results.record("K7.r2", "accuracy", 0.5, run=start())
    assert not list(checkout.rglob("*.json"))


# -- text ----------------------------------------------------------------------------------------


def test_a_dash_has_no_unit(start, checkout):
    path = checkout / "helpers" / "recorded" / "00_test.json"
    path.write_text(json.dumps({"records": [entry(), entry(what="x", source=2.0, value=None)]}))
    table = results.table("K7.r2")
    assert table["source"].tolist() == ["–", "2 s"]
    assert table["ours"].tolist() == ["0.5 s", "–"]


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ({"commit": "abc", "code": "123"}, "2026-11-25, commit abc"),
        ({"code": "123"}, "2026-11-25, code 123 without a commit"),
        ({}, "2026-11-25, by an earlier version of the code"),
    ],
)
def test_the_day_comes_with_what_is_known_of_the_code(known, text):
    assert records.when(entry(**known)) == text


@pytest.mark.parametrize("text", ["{", "[]", '{"records": 3}', '{"records": [1]}'])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "02_tensors.json").write_text(text)
    with pytest.raises(ValueError, match=r"02_tensors\.json is not a file of recorded results"):
        records.read_all(tmp_path)


# -- tools/records.py ----------------------------------------------------------------------------


def test_the_listing_tells_by_which_code_a_chapter_was_measured(checkout):
    today = records.code_hash({"cells": [CODE]})
    folder = checkout / "helpers" / "recorded"
    found = [entry(code=today), entry(code="other"), entry(), entry(code=today)]
    (folder / "00_test.json").write_text(json.dumps({"records": found}))
    ((name, count),) = tool.listing(checkout, folder)
    assert name == "00_test"
    assert count == {"today's code": 2, "other code": 1, "unknown code": 1}


def test_mending_empties_commits_that_do_not_contain_their_notebook(checkout):
    folder = checkout / "helpers" / "recorded"
    head = git(checkout, "rev-parse", "--short=12", "HEAD")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "squashed away")
    lost = git(checkout, "rev-parse", "--short=12", "HEAD")
    git(checkout, "reset", "-q", "--hard", head)
    found = [entry(commit=c) for c in (head, lost, "0123456789ab", "")]
    (folder / "00_test.json").write_text(json.dumps({"records": found}))
    (folder / "01_other.json").write_text(json.dumps({"records": [entry(commit=head)]}))
    assert tool.mend(checkout, folder) == 3
    assert [e["commit"] for e in records.read(folder / "00_test.json")] == [head, "", "", ""]
    assert [e["commit"] for e in records.read(folder / "01_other.json")] == [""]
    assert tool.mend(checkout, folder) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (30000.0, "30,000"), (1728720000.0, "1,728,720,000"), (0.0, "0"), (-7.0, "-7"),
        (23063.4, "23,060"), (0.0001, "0.0001"), (0.80744, "0.8074"), (0.10004, "0.1"),
        (999999.7, "1,000,000"), (9.9996, "10"), (0.00001234, "1.234e-05"), (1e20, "1e+20"),
        (float("inf"), "inf"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_a_number_is_written_without_an_exponent_where_people_read_it_so(value, text):
    assert records.number(value) == text


def test_no_recorded_result_of_a_common_size_has_an_exponent():
    for entry in records.read_all(ROOT / "helpers" / "recorded"):
        size = abs(entry["value"] or 0)
        if 1e-4 <= size < 1e12 and entry["seeds"] == 1 and (size < 1e6 or size.is_integer()):
            assert "e" not in records.ours({**entry, "unit": ""}), entry["what"]
