"""Submission of a bundle: the commands of Kaggle's own program ``kaggle``, and calls of it.

mifid neither reads, stores nor shows credentials: ``kaggle`` finds its own.
Its texts are those of version 2.2: https://github.com/Kaggle/kaggle-cli
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mifid.errors import InputError, MifidError, setting
from mifid.kaggle.bundle import Bundle
from mifid.machine import __version__
from mifid.references import COMPETITION
from mifid.submission import MONET

__all__ = ["Commands", "commands", "submit"]

_LIMIT = 5 * 3600
"""Seconds that the competition allows a notebook on a GPU."""

_POLL = 30.0
_PATIENCE = 13 * 3600
"""Seconds until waiting ends; a notebook may run for 12 hours, and may wait for a machine."""

_FAILURES_IN_A_ROW = 20

_DEFAULT_MESSAGE = f"mifid {__version__}"

# Kaggle's program reports these with exit code 0.
_FAILURES = (
    "Dataset creation error",
    "Dataset version creation error",
    "Kernel push error",
    "The following are not valid dataset sources",
    "The following are not valid competition sources",
)
_PUSHED = re.compile(r"Kernel version (\d+) successfully pushed")
_STATUS = re.compile(r'has status "(?:KernelWorkerStatus\.)?(\w+)"', re.IGNORECASE)


@dataclass(frozen=True)
class Commands:
    """The command lines of a submission, each a sequence of words, in the order of use.

    Attributes:
        joined: lists the submissions; it succeeds only after a login and with the rules accepted.
        exists: succeeds if the data set is there, and prints ``ready`` when it can be used.
        create, update: upload the data set, for the first time and later.
        push: uploads and starts the notebook; prints its version.
        status: prints how far the notebook is.
        logs: prints what the notebook has printed.
        submit: hands in the file that a version of the notebook left.
    """

    joined: tuple[str, ...]
    exists: tuple[str, ...]
    create: tuple[str, ...]
    update: tuple[str, ...]
    push: tuple[str, ...]
    status: tuple[str, ...]
    logs: tuple[str, ...]
    submit: tuple[str, ...]

    def text(self) -> str:
        """Return all commands for a shell, with comments."""
        handle = self.status[-1]
        blocks = [
            ("1. Upload the data set. The first time:", self.create),
            ("   After changes:", self.update),
            ("2. Repeat until it prints: ready", self.exists),
            ("3. Upload and start the notebook. It prints the version, N below:", self.push),
            (f"4. Repeat until it prints: COMPLETE. After ERROR: kaggle kernels logs {handle}",
             self.status),
            ("5. Submit what version N left:", self.submit),
            ("6. Read the score:", self.joined),
        ]  # fmt: skip
        return "\n".join(f"# {purpose}\n{shlex.join(words)}" for purpose, words in blocks)


def commands(bundle: Bundle, *, message: str = "", version: int | None = None) -> Commands:
    """Return the commands that submit a bundle.

    Args:
        bundle: as :func:`mifid.kaggle.open_bundle` returns it.
        message: shown beside the score; empty: mifid's version.
        version: of the notebook; None: N stands for it.
    """
    text = message or _DEFAULT_MESSAGE
    machine = ("--accelerator", bundle.accelerator) if bundle.accelerator else ()
    data, notebook = str(bundle.dataset), str(bundle.notebook)
    number = "N" if version is None else str(version)
    chosen = ("-k", bundle.handle, "-v", number, "-f", MONET.file_name, "-m", text)
    return Commands(
        joined=("kaggle", "competitions", "submissions", COMPETITION),
        exists=("kaggle", "datasets", "status", bundle.handle),
        create=("kaggle", "datasets", "create", "-p", data),
        update=("kaggle", "datasets", "version", "-p", data, "-m", text),
        push=("kaggle", "kernels", "push", "-p", notebook, *machine, "--timeout", str(_LIMIT)),
        status=("kaggle", "kernels", "status", bundle.handle),
        logs=("kaggle", "kernels", "logs", bundle.handle),
        submit=("kaggle", "competitions", "submit", COMPETITION, *chosen),
    )


def submit(
    bundle: Bundle,
    *,
    message: str = "",
    version: int | None = None,
    say: Callable[[str], None],
) -> int:
    """Upload a bundle, wait for its notebook, and submit what that left. Return the version.

    Args:
        bundle: as :func:`mifid.kaggle.open_bundle` returns it.
        message: shown beside the score; empty: mifid's version.
        version: of a notebook that was pushed before: nothing is uploaded. None: upload all.
        say: is given each command and each line that it prints.

    Raises:
        InputError: the program ``kaggle`` is not installed; a version below 1.
        MifidError: a command fails, the notebook fails, or it does not end.
    """
    if version is not None and version < 1:
        raise InputError(f"{setting('version')} is {version}; expected 1 or more")
    needed = commands(bundle, message=message, version=version)
    kaggle = _Kaggle(say)
    kaggle.call(needed.joined, shown=False, hint=_LOGIN)
    if version is None:
        exists = kaggle.succeeds(needed.exists)
        kaggle.call(needed.update if exists else needed.create)
        kaggle.wait(needed.exists, _dataset_status, done="ready", failed=("failed", "deleted"))
        version = _version(kaggle.call(needed.push), needed.push)
    kaggle.wait(
        needed.status,
        _notebook_status,
        done="complete",
        failed=("error", "cancel_requested", "cancel_acknowledged"),
        hint=f"What it printed: {shlex.join(needed.logs)}",
    )
    kaggle.call(commands(bundle, message=message, version=version).submit)
    return version


_LOGIN = (
    "Log in (kaggle auth login), and accept the rules on "
    f"https://www.kaggle.com/competitions/{COMPETITION}/rules."
)


class _Kaggle:
    """The program ``kaggle``.

    Args:
        say: is given each command and each line that it prints.

    Raises:
        InputError: it is not installed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        program = shutil.which("kaggle")
        if program is None:
            raise InputError(
                "Kaggle's own program, kaggle, is not installed",
                hint=f"Install it (pip install kaggle) and log in (kaggle auth login); or call the "
                f"commands elsewhere: leave out {setting('run', True)}, to see them.",
            )
        self._program = program
        self._say = say

    def call(self, words: Sequence[str], *, shown: bool = True, hint: str = "") -> str:
        """Run a command; return what it printed.

        Raises:
            MifidError: it failed, by its exit code or by what it printed.
        """
        self._say(f"$ {shlex.join(words)}")
        code, text = self._run(words, shown=shown)
        failures = [line for line in text.splitlines() if line.startswith(_FAILURES)]
        if code or failures:
            told = failures or text.strip().splitlines()[-1:]
            raise MifidError(
                f"{shlex.join(words)} failed (exit code {code}): {' '.join(told) or 'no message'}",
                hint=hint or "Its own message says why; what was uploaded before is kept.",
            )
        return text

    def succeeds(self, words: Sequence[str]) -> bool:
        """Run a command; return whether its exit code is 0."""
        self._say(f"$ {shlex.join(words)}")
        return self._run(words, shown=False)[0] == 0

    def wait(
        self,
        words: Sequence[str],
        status_in: Callable[[str], str],
        *,
        done: str,
        failed: Iterable[str],
        hint: str = "",
    ) -> None:
        """Repeat a command until the status that it prints is ``done``.

        A command that fails is repeated, too, for a while: the network may be away.

        Raises:
            MifidError: the status is one of ``failed``, the command failed many times in a row, or
                the patience has ended.
        """
        line = shlex.join(words)
        self._say(f"$ {line}  (every {_POLL:.0f} s)")
        before, failures, end = "", 0, time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            time.sleep(_POLL)  # first: until then the status may be that of an older version
            code, text = self._run(words, shown=False)
            status = "" if code else status_in(text)
            failures = 0 if status else failures + 1
            if failures == _FAILURES_IN_A_ROW:
                raise MifidError(f"{line} failed {failures} times: {text.strip()}", hint=hint)
            if status and status != before:
                self._say(status)
            if status == done:
                return
            if status in failed:
                raise MifidError(f"{line}: the status is '{status}'", hint=hint)
            before = status or before
        raise MifidError(f"{line}: the status is still '{before}'", hint=hint)

    def _run(self, words: Sequence[str], *, shown: bool) -> tuple[int, str]:
        """Run a command without input; return its exit code and what it printed."""
        lines = []
        with subprocess.Popen(
            [self._program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            for raw in process.stdout or ():
                # Of a progress bar, which returns to the start of its line, the end.
                line = raw.decode(errors="replace").rstrip().rpartition("\r")[2]
                lines.append(line)
                if shown:
                    self._say(line)
        return process.returncode, "\n".join(lines)


def _dataset_status(text: str) -> str:
    """Return the last line, ``ready`` or the like; a warning of an old program stands before it."""
    return (text.strip().splitlines() or [""])[-1].strip().lower()


def _notebook_status(text: str) -> str:
    found = _STATUS.search(text)
    return found[1].lower() if found else ""


def _version(text: str, words: Sequence[str]) -> int:
    found = _PUSHED.search(text)
    if found is None:
        raise MifidError(
            f"{shlex.join(words)} printed no version of the notebook",
            hint=f"The page of the notebook shows it; then go on with {setting('version', 'N')}.",
        )
    return int(found[1])
