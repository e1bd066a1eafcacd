"""Write environment.yml from pyproject.toml, the one place for dependencies.

python tools/environment.py            # write
python tools/environment.py --check    # fail if the file is out of date
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# Made by tools/environment.py from pyproject.toml: change dependencies there.
#
#   conda env create --file environment.yml && conda activate nn-pytorch-course
#
# torch comes from pip, since its Conda packages ended with version 2.5. On Linux pip's build has
# CUDA and runs without a GPU too. For a smaller build without CUDA, install torch and torchvision
# together from PyTorch's CPU index first (pytorch.org/get-started), then run the line above.
name: nn-pytorch-course
channels:
  - conda-forge
dependencies:
"""


def text() -> str:
    """Return the content of environment.yml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = set(project["dependencies"])
    for extra in ("book", "test", "serve"):
        packages |= set(project["optional-dependencies"][extra])
    # An extra may name another extra of the course: its packages stand here already.
    packages = {package for package in packages if not package.startswith(project["name"])}
    lines = [f"  - python{project['requires-python']}", "  - pip", "  - pip:"]
    lines += [f'      - "{package}"' for package in sorted(packages, key=str.lower)]
    lines += ["      - --editable ."]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = ROOT / "environment.yml"
    if "--check" in sys.argv:
        same = path.read_text(encoding="utf-8") == text()
        sys.exit(0 if same else "environment.yml is out of date: run python tools/environment.py")
    path.write_text(text(), encoding="utf-8")
