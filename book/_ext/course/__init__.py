"""The course's own Sphinx extension.

After the last page it puts slides, cards, texts and a feed beside them (:mod:`course.extras`). It
does three things before Sphinx reads a page:

- points MyST-NB at the cache of executed notebooks that belongs to the present state of
  ``helpers/``, ``data_scripts/`` and the environment (:mod:`course.key`);
- writes the generated pages into ``book/generated/`` (:mod:`course.pages`), each only if its text
  changed, so that an unchanged page is not built again;
- copies MathJax from an installed package into the site (:mod:`course.mathjax`), so that no page
  needs a CDN.

:mod:`course.site` adds to the finished pages what readers need: links to the glossary and the
corrections, how each chapter was run, a way to report what is unclear.

Every page is a function from data to text that a test can call.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A checkout that was never installed still finds its own helpers.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from .extras import on_finished
from .key import cache_path, execution_key, has_driver, real_data
from .mathjax import copy_mathjax
from .pages import generate
from .site import connect

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

__all__ = ["cache_path", "execution_key", "generate", "has_driver", "real_data", "setup"]


def _on_config(app: Sphinx, config: Config) -> None:
    root = Path(app.srcdir)
    if not config.nb_execution_cache_path:
        config.nb_execution_cache_path = str(cache_path(root))
    if os.environ.get("COURSE_STORED"):  # pages from the outputs that the notebooks store
        config.nb_execution_mode = "off"
    repository = config.html_theme_options["repository_url"]
    folder = repository.rstrip("/").rpartition("/")[2]
    clone = f"```bash\ngit clone {repository}\ncd {folder}\nmake book\n```"
    config.myst_substitutions = {
        **config.myst_substitutions,
        "repository_link": f"[the repository]({repository})",
        "clone_commands": clone,
    }
    # Before sphinx_external_toc looks for the files of the table of contents.
    generate(root, Path(config.nb_execution_cache_path))


def _on_builder(app: Sphinx) -> None:
    if app.builder.format == "html":
        copy_mathjax(Path(app.outdir) / "_static" / "mathjax")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("build-finished", on_finished)
    app.connect("config-inited", _on_config, priority=100)
    app.connect("builder-inited", _on_builder)
    connect(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
