"""Text for a standard output that may lack the course's signs (µ, ×, –, ·).

A redirected output on Windows, or an old locale, has an encoding with few signs, and ``print``
would end the program at the first one that is missing. Here such a sign is replaced; with UTF-8,
as in every notebook, nothing changes.
"""

from __future__ import annotations

import sys

ASCII = {
    "µ": "u",
    "μ": "u",
    "×": "x",
    "·": "|",
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "±": "+/-",
    "²": "^2",
    "’": "'",
    "“": '"',
    "”": '"',
}


def printable(text: str, encoding: str | None = None) -> str:
    """Return the text with only such signs as an encoding has.

    Args:
        text: any text.
        encoding: None: that of the standard output as it is now.

    Example:
        >>> printable("10.0 µs (9.8–10.3) · 2×", "ascii")
        '10.0 us (9.8-10.3) | 2x'
    """
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_sign(sign, encoding) for sign in text)
    except LookupError:  # a name that Python does not know: the stream has an idea of its own
        return text
    return text


def _sign(sign: str, encoding: str) -> str:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return ASCII.get(sign, "?")
    return sign


def say(text: str, *, flush: bool = False) -> None:
    """Print a line; a sign that the output lacks is replaced.

    Example:
        >>> say("a line")
        a line
    """
    print(printable(text), flush=flush)
