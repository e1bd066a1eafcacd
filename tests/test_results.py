"""Records of measurements, and the tables made of them."""

import json

import pytest

from helpers import env, results


def make_run(monkeypatch, tmp_path, mode):
    (tmp_path / "book" / "results").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(results, "folder", lambda: tmp_path / "book" / "results")
    monkeypatch.setenv("COURSE_DATA", mode)
    return env.start("00_test")


def test_results_are_written_in_official_mode_only(monkeypatch, tmp_path):
    run = make_run(monkeypatch, tmp_path, "standin")
    results.record("K7.r2", "accuracy", 0.9, run=run)
    assert not list(tmp_path.rglob("*.json"))
    run = make_run(monkeypatch, tmp_path, "official")
    for value in (0.5, 0.96):  # the second replaces the first
        results.record("K7.r2", "accuracy", [value, value + 0.01], run=run, source=0.962, band=0.01)
    (path,) = tmp_path.rglob("*.json")
    (entry,) = json.loads(path.read_text())["records"]
    assert entry["value"] == pytest.approx(0.965)
    assert (entry["low"], entry["high"], entry["seeds"]) == (0.96, 0.97, 2)
    assert entry["verdict"] == "reproduced"
    assert {"hardware", "versions", "date", "commit", "tier"} <= entry.keys()
    table = results.table("K7.r2")
    assert table["ours"].tolist() == ["0.965 (0.96 to 0.97)"]
    assert table._repr_html_().count("<th>") == 4  # what, source, ours, verdict
    assert "seeds: 2 · profile: quick" in table._repr_html_()  # once, below the rows
    results.record("K7.r2", "accuracy of the " + "very " * 20 + "large network", 0.9, run=run)
    both = results.table("K7.r2", "K1.r1")[["what", "ours", "seeds"]]
    assert "very large network</td>" in both._repr_html_()  # not cut off
    assert "<th>seeds</th>" in both._repr_html_()
    assert results.table("K1.r1").empty
    assert results.table("K1.r1")._repr_html_() == "<p>not recorded yet</p>"


def test_results_refuse_what_is_no_measurement(monkeypatch, tmp_path):
    run = make_run(monkeypatch, tmp_path, "official")
    with pytest.raises(ValueError, match="not a finite measurement"):
        results.record("K7.r2", "accuracy", float("nan"), run=run)
    with pytest.raises(ValueError, match="band needs"):
        results.record("K7.r2", "accuracy", 0.5, run=run, band=0.1)
    assert results.verdict(0.80, 0.962, 0.01) == "refuted"
    assert results.verdict(0.80, None, None) == "measured"


def test_what_can_not_be_measured_says_what_it_would_take(monkeypatch, tmp_path):
    run = make_run(monkeypatch, tmp_path, "standin")
    results.not_measurable("B1.r1", "price", run=run, source=0.9, needs="the prices of 2019")
    assert not list(tmp_path.rglob("*.json"))
    run = make_run(monkeypatch, tmp_path, "official")
    results.not_measurable("B1.r1", "price", run=run, source=0.9, needs="the prices of 2019")
    (entry,) = results.load("B1.r1")
    assert (entry["value"], entry["seeds"]) == (None, 0)
    assert entry["verdict"] == "not measurable here"
    assert entry["reason"] == "it would need the prices of 2019"
    assert results.table("B1.r1")["ours"].tolist() == ["–"]
    with pytest.raises(ValueError, match="say what a measurement would need"):
        results.not_measurable("B1.r1", "price", run=run, needs="")
