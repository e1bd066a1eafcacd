"""List the numbers in a chapter's text that stand in no output, code or ledger row of it.

    python tools/prose_numbers.py notebooks/05_backpropagation.ipynb    # or none: all

Looked at are decimal numbers and percentages in Markdown, outside of code, formulas, links, the
names of papers and the numbers of sections. A number is supported by an equal one, or by one in
an output of which it is the rounding: a printed 0.8268 supports 0.83, 82.7 % and 83 % in the text.
It is a net with wide meshes: among many printed numbers one may fit by accident.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from helpers import ledger  # noqa: E402 - the line above lets a bare checkout find it

# What a reader does not take for a measured number.
NOT_PROSE = re.compile(
    r"""
    ^(`{3,}|~{3,}).*?^\1\s*?$     # fenced code
    | (`+).+?\2                   # code in the line
    | \$\$.*?\$\$                 # formulas
    | (?<!\\)\$[^$\n]+?(?<!\\)\$
    | (?<=\])\([^)\s]*\)          # where a link leads
    | <[^>\n]*>                   # tags
    | https?://\S+
    | \b(doi|arXiv):\s?[^\s\])]+  # names of papers, and of places in them
    | \b([Ss]ection|[Cc]hapter|[Ll]isting|[Ff]igure|[Tt]able|[Ee]quation)s?\s\d+(\.\d+)*
      ((,|\sand|\sto|–)\s?\d+(\.\d+)*)*
    """,
    flags=re.DOTALL | re.MULTILINE | re.VERBOSE,
)
NUMBER = re.compile(
    r"""
    (?<![\w.,])                   # not inside of a name, a version or a longer number
    (?P<sign>(?<!\d)[-−–])?       # a minus; between two numbers it is a dash
    (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)
    (?P<exponent>[eE][-+]?\d+)?
    (?![\w]*\d|\.\d)              # 2.14.1 and 3x3 are no decimal numbers
    (?P<unit>[\s\u00a0\u202f]?%|\s(?:percent|thousand|million|billion)\b)?
    """,
    flags=re.VERBOSE,
)
SCALE = {"thousand": 3, "million": 6, "billion": 9}


@dataclass(frozen=True)
class Number:
    """A number as it is written: its text, value, and the value of one in its last digit."""

    text: str
    value: Decimal
    unit: Decimal
    percent: bool = False
    signed: bool = False
    literal: bool = False  # of code or a ledger row: quoted as it is, not rounded

    @property
    def decimal(self) -> bool:
        """Whether digits stand behind the point."""
        return "." in self.text

    def as_fraction(self) -> Number:
        """Return 83 % as 0.83."""
        scaled = self.value.scaleb(-2), self.unit.scaleb(-2)
        return replace(self, value=scaled[0], unit=scaled[1], percent=False)

    def is_of(self, source: Number) -> bool:
        """Whether this is the source's number, or the rounding of one in an output."""
        ours, theirs = self.value, source.value
        if not self.signed:
            ours, theirs = abs(ours), abs(theirs)
        return abs(ours - theirs) <= (0 if source.literal else self.unit / 2)


def numbers(text: str) -> list[Number]:
    """Return the numbers in a text."""
    found = []
    for match in NUMBER.finditer(text):
        digits = match["digits"].replace(",", "") + (match["exponent"] or "")
        unit_name = (match["unit"] or "").strip()
        value = Decimal(digits).scaleb(SCALE.get(unit_name, 0))
        places = len(match["digits"].partition(".")[2])
        unit = Decimal(1).scaleb(int((match["exponent"] or "e0")[1:]) - places)
        unit = unit.scaleb(SCALE.get(unit_name, 0))
        sign = match["sign"] or ""
        percent = unit_name in ("%", "percent")
        written = (sign and "-") + match["digits"] + (match["exponent"] or "")
        written += " %" if percent else f" {unit_name}" if unit_name else ""
        found.append(Number(written, -value if sign else value, unit, percent, bool(sign)))
    return found


def prose_numbers(markdown: str) -> list[Number]:
    """Return the decimal numbers and the percentages in the prose of a Markdown text."""
    prose = NOT_PROSE.sub(" ", markdown)
    return [number for number in numbers(prose) if number.decimal or number.percent]


def supports(source: Number, claim: Number) -> bool:
    """Whether a number in an output, in code or in a ledger row supports one in the text."""
    if claim.percent == source.percent:
        return claim.is_of(source)
    if source.percent:
        return claim.is_of(source.as_fraction()) or claim.is_of(source)
    return claim.as_fraction().is_of(source) or (source.decimal and claim.is_of(source))


def output_texts(cell: dict) -> Iterable[str]:
    """Return the texts that a cell has put out."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        yield "".join(output.get("text", ""))
        yield "".join(data.get("text/plain", ""))
        yield html.unescape(re.sub(r"<[^>]*>", " ", "".join(data.get("text/html", ""))))


def sources(cells: list[dict], rows: dict[str, str]) -> list[Number]:
    """Return all numbers that may support the text: of outputs, code and claimed ledger rows."""
    printed: list[str] = []
    literal: list[str] = []
    for cell in cells:
        literal += [rows.get(item, "") for item in cell["metadata"].get("ledger", [])]
        if cell["cell_type"] == "code":
            literal.append("".join(cell["source"]))
            printed += output_texts(cell)
    found = [number for text in printed for number in numbers(text)]
    return found + [replace(n, literal=True) for text in literal for n in numbers(text)]


def unsupported(cells: list[dict], rows: dict[str, str]) -> dict[str, list[int]]:
    """Return the numbers in the text that stand nowhere, each with the cells it stands in."""
    known = sources(cells, rows)
    found: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            for claim in prose_numbers("".join(cell["source"])):
                if not any(supports(source, claim) for source in known):
                    found.setdefault(claim.text, []).append(index)
    return found


def check(path: Path) -> dict[str, list[int]]:
    """Return the unsupported numbers of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return unsupported(cells, {item.id: item.show for item in ledger.items()})


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    for path in parser.parse_args().notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        found = check(path)
        print(f"{path.name}: {len(found)}")
        for text, where in found.items():
            print(f"  {text!r} in cell {', '.join(map(str, sorted(set(where))))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
