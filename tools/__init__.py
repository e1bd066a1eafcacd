"""Commands that only maintainers need; run them as ``python tools/NAME.py``."""
