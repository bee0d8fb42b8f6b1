"""The command line as a whole: help, documentation, exit codes, and what is not imported."""

import json
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from mifid_cli import document, options
from mifid_cli.main import cli

import mifid
from mifid.progress import Lines

pytestmark = pytest.mark.usefixtures("few_resamples")

ROOT = Path(mifid.__file__).parents[1]
DOCUMENTATION = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def commands(command=cli, path=()):
    """Every command and group, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


EVERY = [pytest.param(path, command, id=" ".join(("mifid", *path))) for path, command in commands()]


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_every_command_has_help(path, command, run):
    for flag in ("--help", "-h"):
        result = run(*path, flag)
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: {' '.join(('mifid', *path))} ")
        assert command.help.split(".")[0] in " ".join(result.stdout.split())


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_every_option_says_what_it_does(path, command):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} of mifid {' '.join(path)}"


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_every_command_and_option_is_documented(path, command):
    head = f"## {' '.join(('mifid', *path))}\n"
    assert head in DOCUMENTATION
    section = DOCUMENTATION.split(head)[1].split("\n## ")[0]
    for parameter in command.params:
        for flag in parameter.opts if isinstance(parameter, click.Option) else ():
            assert flag in section


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_every_command_can_be_debugged(path, command):
    if not isinstance(command, click.Group):
        assert "--debug" in [flag for parameter in command.params for flag in parameter.opts]


def test_the_documentation_is_what_help_says():
    assert document.reference_text() == DOCUMENTATION


def test_the_documentation_is_checked_and_written(tmp_path, monkeypatch, capsys):
    target = tmp_path / "page.md"
    monkeypatch.setitem(document.PAGES, target.name, (lambda: "new", "the tables"))
    assert document.main(["--check", str(target)]) == 1
    message = capsys.readouterr().err
    assert f"{target} does not agree with the tables" in message
    assert "make docs" in message
    assert document.main([str(target)]) == 0
    assert document.main(["--check", str(target)]) == 0
    target.write_text("old")
    assert document.main(["--check", str(target)]) == 1


def test_the_version(run):
    result = run("--version")
    assert result.stdout == f"mifid {mifid.__version__}\n"
    assert result.exit_code == 0


def test_mifid_alone_shows_what_there_is(run):
    for command in cli.commands:
        assert command in run().output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scroe"], "No such command 'scroe'"),
        (["score"], "Missing argument 'IMAGES'"),
        (["score", "out"], "Missing option '--ref'"),
        (["score", "out", "--ref", "monet", "--skipbad"], "No such option '--skipbad'"),
        (["score", "out", "--ref", "monet", "--epsilon", "2"], "2.0 is not in the range 0<=x<=1"),
        (["score", "out", "--ref", "monet", "--epsilon", "x"], "'x' is not a valid float"),
        (["score", "out", "--ref", "monet", "--batch-size", "0"], "0 is not in the range x>=1"),
        (["score", "out", "--ref", "monet", "--workers", "-1"], "-1 is not in the range x>=1"),
        (["score", "out", "more", "--ref", "monet"], "unexpected extra argument"),
        (["check"], "Missing argument 'ARCHIVE'"),
        (["reference", "build", "monet"], "Missing option '-o'"),
        (["cache", "clean"], "No such command 'clean'"),
    ],
)
def test_a_wrong_command_line_is_2_and_told(arguments, said, run):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Usage:" in result.stderr
    assert result.stdout == ""


HEAVY = ("torch", "torchvision", "torch_fidelity", "scipy", "numpy", "PIL", "rich", "tqdm")


@pytest.mark.parametrize(
    "code",
    [
        "import mifid",
        "import mifid; mifid.MifidError, mifid.__version__, dir(mifid)",
        "from mifid_cli.main import cli; cli(['--help'], standalone_mode=False)",
        "from mifid_cli.main import cli; cli(['score', '--help'], standalone_mode=False)",
        "from mifid_cli.main import cli; cli(['--version'], standalone_mode=False)",
    ],
)
def test_help_and_import_import_nothing_heavy(code):
    loaded = python(f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded.splitlines()[-1] == "[]"


def test_checking_a_submission_imports_no_torch(folder):
    (folder / "images.zip").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    code = (
        "import sys\nfrom mifid_cli.main import cli\n"
        f"cli(['check', {str(folder / 'images.zip')!r}], standalone_mode=False)\n"
        "print('torch' in sys.modules)"
    )
    assert python(code).splitlines()[-1] == "False"


def test_kaggles_rules_are_the_ones_that_are_checked(run, folder):
    (folder / "images.zip").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    result = run("check", "images.zip")
    assert result.exit_code == 1
    assert "Hand in 7,000 to 10,000." in result.stdout
    assert "would be refused by 'I'm Something of a Painter Myself'." in result.stdout


def test_mifid_is_installed_as_a_command():
    (entry,) = entry_points(group="console_scripts", name="mifid")
    assert entry.value == "mifid_cli.main:main"


def test_python_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "mifid_cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"mifid {mifid.__version__}\n"


@pytest.mark.parametrize(
    ("silent", "terminal", "kind"),
    [
        (False, True, "Bars"),
        (False, False, "Lines"),
        (True, True, "Silent"),
        (True, False, "Silent"),
    ],
)
def test_bars_are_for_terminals_and_lines_for_logs(silent, terminal, kind, monkeypatch):
    monkeypatch.setattr(options.sys.stderr, "isatty", lambda: terminal, raising=False)
    with click.Context(click.Command("score")):
        assert type(options.make_progress(silent=silent)).__name__ == kind


@pytest.mark.parametrize(
    ("flags", "silent"), [([], False), (["--quiet"], True), (["-q"], True), (["--json"], False)]
)
def test_quiet_alone_is_silent(flags, silent, score, monkeypatch):
    from mifid.progress import Silent

    asked = []

    def make_progress(*, silent):
        asked.append(silent)
        return Silent()

    monkeypatch.setattr(sys.modules["mifid_cli.score"], "make_progress", make_progress)
    assert score("out", "--ref", "monet", *flags).exit_code == 0
    assert asked == [silent]


def test_without_a_terminal_a_long_command_writes_lines_to_stderr(folder, run, monkeypatch):
    """Hours without a word, as in a notebook's `!mifid` or a job's log, look like a hang."""

    class Eager(Lines):
        """Writes a line as soon as there is work, and never waits."""

        def __init__(self):
            super().__init__(first=0, every=0)

        @contextmanager
        def task(self, label, total, unit):
            with super().task(label, total, unit) as task:
                self.tick()
                yield task

    monkeypatch.setattr("mifid.progress.Lines", Eager)
    options = ["score", "out", "--ref", "monet", "--extractor", "toys:colours", "--no-cache"]
    said = run(*options)
    assert "mifid score: 0:0" in said.stderr
    assert "generated: 0 of 6 pictures" in said.stderr
    assert "scores: 0:0" in said.stderr
    assert " so far" not in said.stdout
    printed = run(*options, "--json")
    assert "mifid score: 0:0" in printed.stderr  # what reads stdout is not disturbed
    assert json.loads(printed.stdout)["fid"] > 0
    assert " so far" not in run(*options, "--quiet").output


def test_no_stderr_is_no_reason_to_fail(folder, run, monkeypatch):
    from mifid_cli.options import make_progress

    monkeypatch.setattr(sys, "stderr", None)
    with click.Context(click.Command("score")):
        make_progress(silent=False)
