"""Make sure that the site test has a browser: one that is there, Debian's, or Playwright's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def candidates() -> Iterator[str]:
    """Yield the paths of browsers on this machine, Playwright's own last."""
    yield from filter(None, map(shutil.which, NAMES))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.executable_path


def starts(path: str) -> bool:
    """Tell whether a browser starts: on Ubuntu the command may only ask for a snap."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def find() -> str | None:
    """Return the path of a browser for tests/test_site.py, or None."""
    return next(filter(starts, candidates()), None)


def main() -> int:
    """Install a browser if none is there."""
    if find():
        return 0
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False)
    if not find():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if not find():
        print("no browser for the site test: install chromium (Debian: apt-get install chromium)")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
