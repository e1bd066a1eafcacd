"""The monthly audit and the comparison of figures see what they should, and only that."""

import base64
import datetime
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from nbformat import v4

from tools import audit, figures


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=False)",
        "pickle.loads(data)",
        "yaml.load(text, Loader=yaml.Loader)",
        "requests.get(address, verify=False)",
        "subprocess.run(command, shell=True)",
        "torch.hub.load('owner/name', 'model')",
        "eval(text)",
    ],
)
def test_unsafe_calls_are_found(source):
    ((place, call, why),) = audit.unsafe_calls([("here", f"def f():\n    return {source}")])
    assert place == "here"
    assert call[:9] == source[:9]
    assert why


@pytest.mark.parametrize(
    "source",
    ["torch.load(path)", "torch.load(path, weights_only=True)", "yaml.safe_load(text)",
     "model.eval()", "exec('x = 1')", "torch.hub.load(folder, 'tiny', source='local')"],
)  # fmt: skip
def test_safe_calls_are_not(source):
    assert list(audit.unsafe_calls([("here", source)])) == []


def test_magics_of_a_cell_are_no_obstacle():
    source = "if x:\n    %pip install torch\n!ls\nx = 1"
    assert audit.plain(source) == "if x:\n    pass\npass\nx = 1"
    assert audit.plain("%%bash\nls -l |") == ""


def test_the_course_has_no_unsafe_call_that_no_list_names():
    assert audit.calls_section() == []


def test_every_entry_of_the_list_is_needed():
    found = list(audit.unsafe_calls(audit.code()))
    for entry in audit.allowed(audit.ROOT, "calls_allowed.toml"):
        assert entry["reason"]
        assert any(p.startswith(entry["place"]) and entry["call"] in call for p, call, _ in found)


def test_only_warnings_that_no_list_allows_are_told():
    warning = {"cell": 3, "category": "FutureWarning", "message": "a is\ndeprecated"}
    report = {"errors": [{"cell": 4, "error": "ValueError()"}], "warnings": [warning]}
    assert audit.chapter_lines("01_a", report, []) == [
        "- 01_a, cell 4 fails: ValueError()",
        "- 01_a, cell 3: FutureWarning: a is deprecated",
    ]
    entries = [{"chapter": "01_a", "message": "^a is"}]
    assert len(audit.chapter_lines("01_a", report, entries)) == 1
    assert len(audit.chapter_lines("02_b", report, entries)) == 2


def test_old_pages_are_named(monkeypatch):
    monkeypatch.setattr(audit, "last_change", lambda root, path: datetime.date(2026, 1, 1))
    assert audit.age_section(today=datetime.date(2026, 12, 1)) == []
    lines = audit.age_section(today=datetime.date(2030, 1, 1))
    assert any("02_tensors: last changed on 2026-01-01" in line for line in lines)
    assert any("last measured on" in line for line in lines)


def test_dead_links_are_taken_from_the_report(tmp_path):
    report = tmp_path / "out.md"
    report.write_text("# Summary\n\n| Total | 9 |\n\n* [404] <https://x.y> | Not Found\n")
    assert audit.links_section(report) == ["* [404] <https://x.y> | Not Found"]
    text = audit.audit(["links"], report)
    assert text.startswith("## Links\n")
    report.write_text("all well\n")
    assert audit.audit(["links"], report) == "Nothing to say about: links.\n"
    assert "not checked" in audit.audit(["links"], None)


# -- figures -------------------------------------------------------------------------------------


def drawn(values, **style):
    figure, ax = plt.subplots(figsize=(5, 3))
    ax.plot(values, **style)
    ax.set(xlabel="step", ylabel="loss", title="A curve")
    file = io.BytesIO()
    figure.savefig(file, dpi=80)
    return base64.b64encode(file.getvalue()).decode()


X = np.linspace(0, 6, 60)
CURVE = np.exp(-X)


def notebook(*pngs, source="plot()"):
    outputs = [v4.new_output("display_data", {"image/png": png}) for png in pngs]
    return v4.new_notebook(cells=[v4.new_code_cell(source, outputs=outputs)])


def test_last_digits_leave_a_figure_as_it_is():
    noise = np.random.default_rng(0).normal(scale=0.002, size=60)
    assert figures.distance(drawn(CURVE), drawn(CURVE + noise)) < figures.LIMIT / 2
    thinner = drawn(CURVE, linewidth=1.4)
    assert figures.distance(drawn(CURVE), thinner) < figures.LIMIT


@pytest.mark.parametrize("other", [CURVE[::-1], np.sin(3 * X), np.full(60, 0.5)])
def test_another_curve_is_another_figure(other):
    assert figures.distance(drawn(CURVE), drawn(other)) > 1.5 * figures.LIMIT


def test_changed_new_and_lost_figures_are_told(tmp_path):
    before, after = drawn(CURVE), drawn(np.sin(3 * X))
    assert figures.compare("01_a", notebook(before), notebook(before)) == []
    assert figures.compare("01_a", notebook(before), notebook(before, source="plot(2)")) == []
    (change,) = figures.compare("01_a", notebook(before), notebook(after))
    assert str(change).startswith("01_a, cell 0: ")
    assert str(change).endswith("% of the signs differ")
    assert str(figures.compare("01_a", notebook(), notebook(after))[0]) == "01_a, cell 0: new"
    assert str(figures.compare("01_a", notebook(before), notebook())[0]) == "01_a, cell 0: gone"
    page = figures.page([change])
    assert page.count("<img") == 2
    assert "1 changed figures" in page
