"""Examples in docstrings: every one runs, and every public name has one.

Modules and names are found, not listed: a new file of `helpers` is tested from its first line.
"""

import doctest
import importlib
import inspect
import pkgutil

import pytest
import torch

PACKAGES = ("helpers", "data_scripts")

# Public names whose docstring has no example yet. Names may only leave this list.
WITHOUT_EXAMPLE = frozenset(
    {
        "data_scripts.Archive",
        "data_scripts.DataSet",
        "data_scripts.File",
        "data_scripts.StandIn",
        "data_scripts.current_mode",
        "data_scripts.data_root",
        "data_scripts.get",
        "data_scripts.mirror_root",
        "helpers.env.Run",
        "helpers.env.checkout_root",
        "helpers.env.data_mode",
        "helpers.env.is_hermetic",
        "helpers.env.profile",
        "helpers.homework.Part",
        "helpers.homework.merge",
        "helpers.ledger.Claim",
        "helpers.ledger.Item",
        "helpers.ledger.claims",
        "helpers.ledger.coverage",
        "helpers.machine.cache_bytes",
        "helpers.machine.cpu_name",
        "helpers.machine.driver",
        "helpers.machine.memory_bytes",
        "helpers.records.contains",
        "helpers.records.data",
        "helpers.records.is_shallow",
        "helpers.records.merged",
        "helpers.records.ours",
        "helpers.records.provenance",
        "helpers.records.read",
        "helpers.records.read_all",
        "helpers.records.with_unit",
        "helpers.results.folder",
        "helpers.results.load",
        "helpers.results.not_measurable",
        "helpers.results.record",
        "helpers.timing.Comparison",
        "helpers.timing.Roofline",
        "helpers.timing.Timing",
        "helpers.train.State",
        "helpers.train.load_checkpoint",
    }
)


def modules():
    """Return the names of all modules, packages included; ``__main__`` runs at import."""
    found = list(PACKAGES)
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            if not module.name.endswith("__main__"):
                found.append(module.name)
    return found


def public_names(name):
    """Return full name -> object for the functions and classes that a module offers to readers.

    A package offers what ``__all__`` says; a file beside it that is no part of a smaller package
    offers its ``__all__``, or what it defines without a leading underscore.
    """
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        names = getattr(module, "__all__", [])
    elif name.count(".") == 1 and name.startswith("helpers."):
        defined = [
            key
            for key, value in vars(module).items()
            if getattr(value, "__module__", None) == name and not key.startswith("_")
        ]
        names = getattr(module, "__all__", defined)
    else:
        names = []
    objects = {f"{name}.{key}": getattr(module, key) for key in names}
    return {key: thing for key, thing in objects.items() if needs_example(thing)}


def needs_example(thing):
    """Return whether it is a function or a class; what raises an error shows the error."""
    error = inspect.isclass(thing) and issubclass(thing, BaseException)
    return not error and (inspect.isroutine(thing) or inspect.isclass(thing))


@pytest.mark.parametrize("name", modules())
def test_docstring_examples_run(name):
    torch.manual_seed(0)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_the_search_finds_packages_files_and_their_names():
    found = modules()
    assert {"helpers.env", "helpers.models.mlp", "data_scripts"} <= set(found)
    assert any(name.startswith("helpers.timing.") for name in found)
    assert any(name.startswith("data_scripts.") and name.endswith(".mnist") for name in found)
    assert "helpers.models.MLP" in public_names("helpers.models")
    assert "helpers.env.start" in public_names("helpers.env")
    assert "data_scripts.load" in public_names("data_scripts")


def test_every_public_name_has_an_example():
    lacking = {
        name
        for module in modules()
        for name, thing in public_names(module).items()
        if ">>> " not in (thing.__doc__ or "")
    }
    forgotten, done = lacking - WITHOUT_EXAMPLE, WITHOUT_EXAMPLE - lacking
    assert not forgotten, f"add an example (>>> …) to the docstring of {sorted(forgotten)}"
    assert not done, f"have an example, or are gone; take them off the list: {sorted(done)}"
