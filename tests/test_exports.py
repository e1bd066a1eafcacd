"""A package finds what its files offer, and says which file makes a mistake."""

import pytest

from helpers.exports import exports


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes a package and collects its exports."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, **files):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for file, text in files.items():
            (folder / f"{file}.py").write_text(text)
        return exports(name, [str(folder)])

    return write


def test_names_of_all_files_but_the_packages_own_are_found(package):
    found = package(
        "found",
        sound="__all__ = ['play']\nplay = 1\nhidden = 2\n",
        graphs="__all__ = ['draw']\ndraw = 3\n",
        _shared="raise ImportError('not to be asked')\n",
    )
    assert found == {"play": 1, "draw": 3}


def test_a_file_without_names_is_named(package):
    with pytest.raises(ImportError, match=r"forgetful\.sound has no __all__: list the names"):
        package("forgetful", sound="play = 1\n")


def test_a_name_in_two_files_is_refused(package):
    one = "__all__ = ['draw']\ndraw = 1\n"
    with pytest.raises(ImportError, match=r"twice\.graphs and twice\.sound both offer draw"):
        package("twice", graphs=one, sound=one)
