"""Small files written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_text(path: Path | str, text: str) -> None:
    """Write a UTF-8 file in one step: a reader, or a crash, sees the old file or the new one.

    Raises:
        OSError: if the folder can't be written; nothing is left behind.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_text(target, "done")
        >>> [file.name for file in target.parent.iterdir()]
        ['note.txt']
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path | str, content: Any) -> None:
    """Write plain values as indented JSON, in one step.

    Raises:
        TypeError: for a value that JSON does not know.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "numbers.json"
        >>> write_json(target, {"loss": 0.5})
        >>> json.loads(target.read_text(encoding="utf-8"))
        {'loss': 0.5}
    """
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
