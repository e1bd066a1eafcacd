"""Addresses of pages go on working: what was published is there, or leads on."""

import sys
from pathlib import Path

import pytest
from test_site import site, toc_files  # noqa: F401 - site is a fixture

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course import addresses  # noqa: E402

KNOWN = addresses.read(ROOT)
FILES = {"index.html", "search.html", "genindex.html", "cards.tsv", "feed.xml", "llms.txt"}
FILES |= {f"slides/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_every_address_is_a_page_or_leads_to_one():
    pages = {f"{name}.html" for name in toc_files()} | FILES
    lost = [a for a, target in KNOWN.items() if (target.partition("#")[0] or a) not in pages]
    assert not lost, f"give book/addresses.tsv, behind a tab, the page that replaces {lost}"
    twice = [address for address, target in KNOWN.items() if target and address in pages]
    assert not twice, f"these are there and lead away: {twice}"


def test_every_page_is_in_the_list():
    missing = [f"{name}.html" for name in toc_files() if f"{name}.html" not in KNOWN]
    assert not missing, "add to book/addresses.tsv:\n" + "\n".join(missing)


def test_the_site_serves_every_address(site):  # noqa: F811
    assert [address for address in KNOWN if not (site / address).is_file()] == []


def test_a_page_that_moved_leads_on(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "addresses.tsv").write_text("a/old.html\tb/new.html#x\nb/new.html\n")
    addresses.write_redirects(tmp_path, tmp_path / "html")
    text = (tmp_path / "html" / "a" / "old.html").read_text()
    assert text.count("../b/new.html#x") == 4
    assert not (tmp_path / "html" / "b").exists()
    (tmp_path / "book" / "addresses.tsv").write_text("a.html\na.html\tb.html\n")
    with pytest.raises(ValueError, match="twice"):
        addresses.read(tmp_path)
