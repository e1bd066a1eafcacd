"""The workflows name what exists, and publish what they measured."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
MAKES = ("setup", "test-gpu", "bench", "record", "book")
NAMES = sorted(path.name for path in FOLDER.glob("*.yml"))
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)


def jobs(name):
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["jobs"]


def commands(job):
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def uses(job, action):
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_exists(name):
    lines = [line for job in jobs(name).values() for line in commands(job)]
    assert lines
    for line in lines:
        for target in re.findall(r"\bmake ([a-z-]+)", line):
            assert target in TARGETS, line
        for path in re.findall(r"\b(?:tests|tools|helpers)/[\w./]+|\.ci/\w+", line):
            assert (ROOT / path).exists(), line


@pytest.mark.parametrize("name", NAMES)
def test_each_job_ends_and_has_no_more_rights_than_it_names(name):
    content = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    assert content["permissions"]["contents"] == "read"
    for job in content["jobs"].values():
        if "self-hosted" in job["runs-on"]:
            assert job["timeout-minutes"]
            assert uses(job, "actions/checkout")[0]["with"]["clean"] is False


@pytest.mark.parametrize("name", ["ci.yml", "publish.yml"])
def test_reports_are_taken_from_where_the_build_writes_them(name):
    build = (ROOT / "tools" / "build_book.py").read_text(encoding="utf-8")
    assert 'output / "_build" / "reports"' in build
    paths = [
        path
        for job in jobs(name).values()
        for step in uses(job, "actions/upload-artifact")
        for path in step["with"]["path"].split()
    ]
    assert "_build/reports" in paths
    assert set(paths) <= {"_build/reports", "helpers/recorded"}


def test_the_site_is_built_after_all_measurements():
    lines = commands(jobs("publish.yml")["build"])
    order = [
        lines.index(f"make {name}") for name in ("setup", "test-gpu", "bench", "record", "book")
    ]
    assert order == sorted(order)


def test_the_link_check_reads_notebooks():
    (step,) = uses(jobs("links.yml")["links"], "lycheeverse/lychee-action")
    assert re.search(r"--extensions \S*\bipynb\b", step["with"]["args"])
