"""The address of the repository: the buttons of the site, and the copies that must be text.

    make address URL=https://github.com/you/course    # change it everywhere
    make address                                      # after a new version: the tag in the cells
    python tools/address.py --check                   # fail if a copy differs, write nothing

``_config.yml`` is the one home. README.md, CITATION.cff and the first code cell of each notebook,
which installs the package on Colab, have copies: text cannot ask.

A site, however, can ask when it is built, so this file is also a Sphinx extension. On GitHub the
buttons lead to the repository that builds, at the tag that it builds; elsewhere to the clone's
remote ``origin`` if that is on GitHub; else to the address of ``_config.yml``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = re.compile(r"https://[\w.-]+/[\w.-]+/[\w.-]+")
# The remote of a clone by https, with or without a user, or by SSH.
REMOTE = re.compile(r"(?:https://(?:[^@/\s]+@)?|(?:ssh://)?git@)github\.com[/:]([\w.-]+/[\w.-]+)")
INSTALL = """\
# Only Colab needs this cell: it installs the package of the course and leaves torch as it is.
from importlib import metadata

if not list(metadata.distributions(name="{name}")):
    %pip install -q {archive}
    try:
        print("{name}", metadata.version("{name}"))
    except metadata.PackageNotFoundError:
        raise RuntimeError("no course at that address: use a clone, or upload the wheel") from None
"""


def configured(root: Path = ROOT) -> str:
    """Return the address in ``_config.yml``."""
    text = (root / "_config.yml").read_text(encoding="utf-8")
    (address,) = re.findall(r"^repository:\n  url: (\S+)$", text, flags=re.M)
    return address


def built_from(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the address of the repository that is built here, and the tag, or "" for none."""
    if repository := environ.get("GITHUB_REPOSITORY"):
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        tag = environ.get("GITHUB_REF_NAME", "") if environ.get("GITHUB_REF_TYPE") == "tag" else ""
        return f"{server}/{repository}", tag
    try:
        done = subprocess.run(
            ["git", "config", "--get", "remote.origin.url"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # no git
        return configured(root), ""
    remote = REMOTE.fullmatch(done.stdout.strip().removesuffix("/").removesuffix(".git"))
    return (f"https://github.com/{remote.group(1)}" if remote else configured(root)), ""


def pages_address(repository: str) -> str:
    """Return where GitHub Pages shows the site of a repository, with a slash at its end."""
    owner, name = repository.rstrip("/").split("/")[-2:]
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def install_cell(root: Path = ROOT, address: str | None = None) -> str:
    """Return the source of the cell that installs the package from the tag of its version."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    archive = f"{address or configured(root)}/archive/refs/tags/v{project['version']}.zip"
    return INSTALL.format(name=project["name"], archive=archive).rstrip()


def with_install_cell(text: str, source: str) -> str:
    """Return a notebook's text with this source in its first code cell."""
    notebook = json.loads(text)
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["source"] = source.splitlines(keepends=True)
    cell["id"] = hashlib.sha1(f"code\n{source}".encode()).hexdigest()[:8]  # as tools/outputs.py
    # The format of nbformat.write.
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def copies(root: Path, address: str) -> dict[Path, str]:
    """Return what the files that contain the address should be."""
    old = configured(root)
    wanted: dict[Path, str] = {}

    def replace(name: str, *pairs: tuple[str, str]) -> None:
        text = (root / name).read_text(encoding="utf-8")
        for pattern, new in pairs:
            text, found = re.subn(pattern, lambda match, new=new: match[1] + new, text, flags=re.M)
            if not found:
                raise SystemExit(f"{name} has no line for the address, {pattern}")
        wanted[root / name] = text

    replace("_config.yml", (rf"(^  url: ){re.escape(old)}$", address))
    replace("CITATION.cff", (r"(^repository-code: )\S+$", address))
    folder = address.rsplit("/", 1)[1]
    replace("README.md", (r"(^git clone )\S+$", address), (r"(^cd )\S+$", folder))
    source = install_cell(root, address)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        wanted[path] = with_install_cell(path.read_text(encoding="utf-8"), source)
    return wanted


def different(root: Path = ROOT, address: str | None = None) -> dict[Path, str]:
    """Return the files whose copy of the address, or of the tag, is another, and their new text."""
    wanted = copies(root, address or configured(root))
    return {path: text for path, text in wanted.items() if path.read_text("utf-8") != text}


def setup(app: Any) -> dict[str, Any]:
    """Let the buttons of the site lead to where it is built from (Sphinx calls this)."""
    # Before the other listeners, which read the address.
    app.connect("config-inited", set_buttons, priority=50)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def set_buttons(app: Any, config: Any) -> None:
    """Set address and branch, or tag, of the theme's buttons."""
    address, tag = built_from(Path(app.srcdir))
    config.html_theme_options["repository_url"] = address
    if tag:
        config.html_theme_options["repository_branch"] = tag


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", nargs="?", metavar="URL", help="the new address of the repository")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    options = parser.parse_args()
    address = (options.url or configured()).removesuffix("/").removesuffix(".git")
    if not ADDRESS.fullmatch(address):
        parser.error(f"{address!r} is not like https://github.com/OWNER/NAME")
    here, _ = built_from()
    if options.url is None and here != address:
        # On GitHub, this form of a line becomes a note on the page of the run.
        mark = "::warning::" if "GITHUB_ACTIONS" in os.environ else ""
        print(f"{mark}the copies say {address}: if {here} is yours, run make address URL={here}")
    changes = different(address=address)
    for path, text in changes.items():
        if not options.check:
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'differs' if options.check else 'changed'}")
    if changes and options.check:
        print("run make address", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
