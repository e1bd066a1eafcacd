"""Use the installed package where there is no checkout; .ci/package calls this.

python tests/use_package.py FOLDER    # the environment that must hold the package
"""

import importlib
import pkgutil
import sys
from importlib import metadata
from pathlib import Path

sys.path.pop(0)  # the folder of this file, which is in the checkout

import data_scripts
import helpers

home = Path(sys.argv[1]).resolve()
for package in (helpers, data_scripts):
    assert Path(package.__file__).resolve().is_relative_to(home), package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

from helpers import ct, data, env, models, results, train  # noqa: E402

assert env.checkout_root() is None
assert len(results.load()) > 100, "recorded results are missing"
assert any(Path(ct.__file__).parent.glob("*.json")), "the split of the CT chapters is missing"
assert any((Path(data_scripts.__file__).parent / "sets").glob("*.tsv")), "lists of files"
run = env.start("07_first_networks", seed=0)
digits = data.load("mnist")
model = models.LeNet()
assert callable(train.fit)
print(metadata.version("nn-pytorch-course"), digits.name, models.count_parameters(model))
