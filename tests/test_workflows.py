"""The workflows name what exists, and publish what they measured."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
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


def test_the_publisher_takes_every_step_of_the_script_in_its_order():
    script = (ROOT / ".ci" / "publish").read_text(encoding="utf-8")
    whole = re.search(r"steps=\((device .*?)\)", script)[1].split()
    lines = "\n".join(commands(jobs("publish.yml")["build"]))
    taken = " ".join(re.findall(r"bash \.ci/publish ([a-z ]+)", lines)).split()
    assert (
        taken
        == whole
        == ["device", "setup", "data", "test", "bench", "record", "book", "downloads"]
    )
    for step in (*whole, "verdict"):
        assert re.search(rf"^    {step}\)", script, flags=re.M), step


def test_results_are_kept_and_the_site_shown_whatever_chapter_fails():
    content = jobs("publish.yml")
    assert content["results"]["if"] == "${{ !cancelled() }}"
    assert "if" not in content["deploy"]
    assert commands(content["verdict"])[-1] == "bash .ci/publish verdict"
    assert set(content["verdict"]["needs"]) == {"build", "deploy", "results"}
    script = (ROOT / ".ci" / "publish").read_text(encoding="utf-8")
    assert "build_book.py --keep-going" in script


def test_the_nightly_may_fail_and_publishes_nothing():
    (job,) = jobs("nightly.yml").values()
    assert job["continue-on-error"] is True
    text = (FOLDER / "nightly.yml").read_text(encoding="utf-8")
    assert "--pre torch" in text
    assert not re.search(r"deploy|upload-pages|git push|pull-requests", text)


def test_the_audit_has_every_section_in_one_issue():
    (job,) = jobs("audit.yml").values()
    lines = "\n".join(commands(job))
    assert "tools/audit.py --links lychee/out.md" in lines  # and without names: all sections
    assert lines.count("gh issue create") == 1
    assert "gh issue close" in lines
    assert job["steps"][0]["with"]["fetch-depth"] == 0


def test_the_link_check_reads_notebooks():
    (step,) = uses(jobs("audit.yml")["audit"], "lycheeverse/lychee-action")
    assert re.search(r"--extensions \S*\bipynb\b", step["with"]["args"])
