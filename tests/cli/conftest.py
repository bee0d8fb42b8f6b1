"""Running the command line in a folder of its own."""

import sys

import pytest
from click.testing import CliRunner
from mifid_cli.main import cli
from toys import drawn, write_pictures

from mifid.progress import Lines


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with out/ (generated) and monet/ (real)."""
    write_pictures(tmp_path / "out", drawn("photo", 6))
    write_pictures(tmp_path / "monet", drawn("painting", 5, seed=50))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())  # commands add the current folder
    return tmp_path


@pytest.fixture(autouse=True)
def no_lines(monkeypatch):
    """Commands of tests are quick, however slow the machine: no line comes between."""
    monkeypatch.setitem(Lines.__init__.__kwdefaults__, "first", 3600.0)


@pytest.fixture
def run():
    """Run `mifid` with arguments; an exception that gets through fails the test."""

    def invoke(*arguments):
        return CliRunner().invoke(
            cli, [str(a) for a in arguments], catch_exceptions=False, prog_name="mifid"
        )

    return invoke


@pytest.fixture
def score(run):
    """Run `mifid score` with an extractor that needs no network, unless another is named."""

    def invoke(*arguments):
        named = "--extractor" in arguments
        return run("score", *arguments, *([] if named else ["--extractor", "toys:colours"]))

    return invoke


@pytest.fixture
def own_extractor(folder, monkeypatch):
    """Write a module into the current folder; its function is named mine:f."""
    # Python takes compiled code of the same second and size for that of another text.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text):
        (folder / "mine.py").write_text(f"import torch\n{text}\n")
        return "mine:f"

    sys.modules.pop("mine", None)
    yield write
    sys.modules.pop("mine", None)


@pytest.fixture
def failure(run):
    """Run what must fail: return its message, checked to be one and not a traceback."""

    def invoke(*arguments, code=1):
        result = run(*arguments)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        assert "bug in mifid" not in result.stderr
        assert "Error" in result.stderr
        return result.stderr

    return invoke
