"""What the site adds to Sphinx's pages; :func:`connect` is called by the extension's setup."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes

from tools.address import built_from, pages_address

from . import crosslinks, figures, readers, runs
from .finish import finish

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

CHAPTER = "notebooks/"


@functools.cache
def _runs(root: Path, folder: Path) -> dict[str, runs.Run]:
    return runs.read_runs(root, folder, stored=bool(os.environ.get("COURSE_STORED")))


@functools.cache
def _terms(root: Path) -> tuple[dict[str, str], Any]:
    terms = crosslinks.read_terms(root)
    return terms, crosslinks.pattern_of(terms)


def _on_config(app: Sphinx, config: Config) -> None:
    address = pages_address(built_from(Path(app.srcdir))[0])
    config.html_baseurl = address
    config.ogp_site_url = address
    config.ogp_site_name = config.html_title or "Neural Networks in PyTorch"
    config.ogp_image_alt = "A page of the course: text, a cell of code and the figure it draws"
    config.ogp_image = f"{address}_static/page.png"
    config.notfound_urls_prefix = "/" + address.split("/", 3)[3]


def _on_resolved(app: Sphinx, document: nodes.document, name: str) -> None:
    if app.builder.name == "html" and name.startswith(CHAPTER):
        terms, pattern = _terms(Path(app.srcdir))
        crosslinks.link_terms(document, terms, crosslinks.term_addresses(app, name), pattern)


def _on_context(app: Sphinx, name: str, template: str, context: dict[str, Any], _: Any) -> None:
    if app.builder.name != "html" or "body" not in context:
        return
    root = Path(app.srcdir)
    repository = app.config.html_theme_options["repository_url"]
    build = {"versions": runs.versions(), "commit": runs.commit_of_build(root)}
    if not name.startswith(CHAPTER):
        if name.startswith("book/"):
            chapter = name.rpartition("/")[2]
            body = readers.with_feedback(context["body"], chapter, repository, build)
            context["body"] = readers.with_letters(body)
        return
    chapter = name.removeprefix(CHAPTER)
    cells = json.loads((root / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    boxes = crosslinks.errata_of_boxes(cells, crosslinks.read_boxes(root), chapter)
    page = app.builder.get_relative_uri(name, "book/generated/corrections")
    body = crosslinks.with_row_links(context["body"], boxes, page)
    body = figures.with_captions(body, int(chapter[:2]))
    context["body"] = readers.chapter_body(
        body,
        _runs(root, Path(app.config.nb_execution_cache_path)).get(chapter),
        chapter=chapter,
        repository=repository,
        build=build,
        status=app.builder.get_relative_uri(name, "book/generated/status"),
    )


def _on_end(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and app.builder.name == "html":
        site = Path(app.outdir)
        finish(site)
        pages = (f"{app.config.html_baseurl}{name}.html" for name in sorted(app.env.all_docs))
        write_map(site / "sitemap.xml", pages)


def write_map(path: Path, addresses: Iterable[str]) -> None:
    """Write the list of pages for search engines.

    Sphinx's extension for it lists only the pages that a build wrote anew.
    """
    entries = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in addresses)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    path.write_text(f'{head}\n<urlset xmlns="{space}">\n{entries}</urlset>\n', encoding="utf-8")


def connect(app: Sphinx) -> None:
    """Listen to Sphinx."""
    app.connect("config-inited", _on_config, priority=110)
    app.connect("doctree-resolved", _on_resolved)
    app.connect("html-page-context", _on_context)
    app.connect("build-finished", _on_end, priority=900)
