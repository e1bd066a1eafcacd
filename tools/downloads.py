"""Put what readers can take along into a built site: PDF, EPUB, and the site itself as a zip.

    make downloads                       # all three, into _build/html/downloads
    make zip                             # only _build/course-site.zip

A site that was built with ``COURSE_DOWNLOADS=1`` links to them on its page on formats.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import epub, pdf  # noqa: E402 - the line above lets them be found

FOLDER = "downloads"
NAMES = ("course.pdf", "course.epub", "course-site.zip")
LEFT_OUT = (".map", ".buildinfo")
DAY = (1980, 1, 1, 0, 0, 0)  # the same site gives the same file


def zip_site(site: Path, output: Path) -> None:
    """Pack a site into one folder of an archive, without the downloads and source maps.

    Raises:
        SystemExit: if there is no site.
    """
    if not (site / "index.html").is_file():
        raise SystemExit(f"{site} has no index.html: build the site first, with `make book`")
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w") as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            inside = path.relative_to(site)
            if inside.parts[0] == FOLDER or path.name.endswith(LEFT_OUT):
                continue
            entry = zipfile.ZipInfo(f"course/{inside.as_posix()}", DAY)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["all", "zip"], default="all")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", metavar="FOLDER")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="some pages")
    options = parser.parse_args(arguments)
    if options.what == "zip":
        target = options.site.parent / NAMES[2]
        zip_site(options.site, target)
        print(f"{target}: {target.stat().st_size / 2**20:.1f} MB")
        return 0
    folder = options.site / FOLDER
    zip_site(options.site, folder / NAMES[2])
    status = 0
    for name, tool in zip(NAMES, (pdf, epub), strict=False):
        paths = ["--site", str(options.site), "--output", str(folder / name)]
        status |= tool.main([*paths, "--only", *options.only])
    for name in NAMES:
        print(f"{name}: {(folder / name).stat().st_size / 2**20:.1f} MB")
    return status


if __name__ == "__main__":
    sys.exit(main())
