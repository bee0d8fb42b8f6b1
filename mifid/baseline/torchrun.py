"""Calls in several processes, one for each GPU, which torchrun starts from here.

    python -m mifid.baseline.torchrun launch 2 CALL   is torchrun, which starts twice
    python -m mifid.baseline.torchrun call CALL

The file CALL holds a function and its arguments. Every process calls it; the first one to return or
to fail writes the outcome beside it, and the process that began it all returns or raises the same.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import IO, Any, TextIO

from mifid.errors import InputError, MifidError, name_options, option_names, setting
from mifid.machine import available_cores, can_start_python, python_environment

__all__ = ["call_in_processes", "check_processes"]

_MODULE = "mifid.baseline.torchrun"
_CALL, _OUTCOME = "call", "outcome"
_PATIENCE = 40.0
"""Seconds until processes that got a signal to stop are killed; torchrun kills its own after 30."""

_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")  # not every system has the last


def check_processes(gpus: int, device: str) -> None:
    """Refuse a number of processes that cannot be started here.

    CUDA is only counted, not started, which would take memory of the first GPU.

    Args:
        gpus: number of processes.
        device: as the caller gave it.

    Raises:
        InputError: it is below 1; there are fewer GPUs, or the device is a single one; or torchrun
            has started this process already.
    """
    if type(gpus) is not int or gpus < 1:
        raise InputError(f"{setting('gpus')} is {gpus!r}; expected a whole number, 1 or more")
    if gpus == 1:
        return
    if "TORCHELASTIC_RUN_ID" in os.environ or os.environ.get("WORLD_SIZE", "1") != "1":
        raise InputError(
            f"{setting('gpus')} is {gpus}, but this is already one of several processes: "
            f"WORLD_SIZE is {os.environ.get('WORLD_SIZE', '1')}",
            hint=f"Leave out {setting('gpus')} below torchrun, which sets the number, or leave out "
            "torchrun.",
        )
    if not can_start_python():
        raise InputError(
            f"{setting('gpus')} is {gpus}, but no second Python can be started from here",
            hint="Start the processes yourself, with torchrun.",
        )
    if device == "cpu":
        return  # slower than one process, but the same way, to try it out
    import torch

    number = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus > number:
        have = f"has {number or 'no'} GPU{'s' * (number > 1)} with CUDA"
        fewer = f"Give {setting('gpus', number)}" if number > 1 else f"Leave out {setting('gpus')}"
        raise InputError(f"{setting('gpus')} is {gpus}, but this machine {have}", hint=f"{fewer}.")
    if device not in ("auto", "cuda"):
        raise InputError(
            f"{setting('gpus')} is {gpus}, but {setting('device')} is {device}",
            hint=f"Give {setting('device', 'cuda')}; CUDA_VISIBLE_DEVICES=0,2 chooses among them.",
        )


def call_in_processes(
    function: Callable[..., Any], arguments: Mapping[str, Any], *, number: int
) -> Any:
    """Call a function in several processes at once; return what it returns in the first one.

    Their output appears as this process's own. SIGINT and SIGTERM are passed on to them, and the
    outcome awaited; a second Ctrl-C ends all at once.

    Args:
        function: that a module has, which :class:`~mifid.baseline.distributed.Processes` joins.
        arguments: by keyword; picklable.
        number: of processes.

    Raises:
        InputError: an argument that cannot be sent to another process.
        MifidError: as the function raises; or the processes ended without an outcome.
    """
    with TemporaryDirectory(prefix="mifid-") as folder:  # which only this user may enter
        call = Path(folder, _CALL)
        call.write_bytes(_pickled(function, arguments))
        code, received = _run(_command(number, call), number)
        outcome = Path(folder, _OUTCOME)
        if not outcome.is_file():
            raise _without_outcome(code, received)
        succeeded, value = pickle.loads(outcome.read_bytes())  # of our child
    if succeeded:
        return value
    raise value


def _pickled(function: Callable[..., Any], arguments: Mapping[str, Any]) -> bytes:
    for name, value in arguments.items():
        problem = "a notebook or script defines it"
        named = value if callable(value) else type(value)
        if getattr(named, "__module__", "") != "__main__":
            try:
                pickle.dumps(value)
                continue
            except Exception as error:  # what objects do when they are pickled, nobody knows
                problem = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{setting(name)} cannot be sent to the processes of the other GPUs: {problem}",
            hint="Put a function of your own into a module, and give its name as text: "
            "'my_module:function'.",
        )
    return pickle.dumps((function, dict(arguments), dict(option_names())))


def _command(number: int, call: Path) -> list[str]:
    return [sys.executable, "-m", _MODULE, "launch", str(number), str(call)]


def _without_outcome(code: int, received: signal.Signals | None) -> BaseException:
    """Return what to raise if the processes ended without one, perhaps after a signal."""
    if received is signal.SIGINT:
        return KeyboardInterrupt()
    if received is not None:
        signal.raise_signal(received)  # as if it had come to this process alone
    return MifidError(
        f"the processes of the GPUs ended without a result, with exit code {code}",
        hint="Their own messages are above. One that was killed may have had too little memory. "
        f"The last checkpoint, if there is one, is kept: {setting('resume', True)}.",
    )


def _run(command: list[str], number: int) -> tuple[int, signal.Signals | None]:
    """Run a command to its end; return its exit code, and the signal that was passed on to it."""
    threads = str(max(1, available_cores() // number))  # torchrun's own default is 1, with a banner
    environment = {"OMP_NUM_THREADS": threads, **python_environment(), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=_own(sys.stdout, 1),
        stderr=_own(sys.stderr, 2),
        start_new_session=True,  # so that a terminal's Ctrl-C comes to this process alone
    ) as process:
        copies = [
            threading.Thread(target=_copy, args=(source, name), daemon=True)
            for source, name in ((process.stdout, "stdout"), (process.stderr, "stderr"))
            if source is not None
        ]
        for copy in copies:
            copy.start()
        received: list[signal.Signals] = []
        try:
            with _passed_on(process, received):
                code = process.wait()
        finally:
            _end(process)
            for copy in copies:
                copy.join()
    return code, received[0] if received else None


def _own(stream: TextIO | None, number: int) -> int | None:
    """Return None if a stream is the one that child processes inherit, else a pipe to copy from.

    A notebook's streams go to its page; a child's inherited ones would go to the server's log.
    """
    with suppress(OSError, ValueError, AttributeError):
        if stream is not None and stream.fileno() == number:
            return None
    return subprocess.PIPE


def _copy(source: IO[bytes], name: str) -> None:
    for line in source:
        stream = getattr(sys, name)
        with suppress(OSError, ValueError, AttributeError):  # closed, or there is none
            stream.write(line.decode(errors="replace"))
            stream.flush()


@contextmanager
def _passed_on(process: subprocess.Popen[bytes], received: list[signal.Signals]) -> Iterator[None]:
    """Pass the first signal of the block on to a process; a second SIGINT interrupts the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if received:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        received.append(signal.Signals(number))
        # torchrun forwards SIGINT and SIGTERM; a closed terminal stops the run like SIGTERM.
        process.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
    previous = {number: signal.getsignal(number) for number in numbers}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a process that is still running end; kill it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def launch(number: str, call: str) -> None:
    """Be ``python -m torch.distributed.run``, without its traceback of a signal.

    Raises:
        SystemExit: with the exit code: 128 and the number of a signal; 1 if a process died.
    """
    # torchrun reads it when it is imported; the processes that it starts have their own.
    before = os.environ.get("LOGLEVEL")
    os.environ["LOGLEVEL"] = before or "ERROR"
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    if before is None:
        del os.environ["LOGLEVEL"]
    options = ["--standalone", "--nproc-per-node", number, "-m", _MODULE, "call", call]
    try:
        torchrun(options)
    except SignalException as error:
        raise SystemExit(128 + int(error.sigval)) from None
    except ChildFailedError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def work(path: str) -> None:
    """Call what the file holds; write the outcome, if this process has one to report."""
    call = Path(path)
    function, arguments, options = pickle.loads(call.read_bytes())  # of our parent
    name_options(options)
    warnings.showwarning = _show_warning
    try:
        value = function(**arguments)
    except Exception as error:
        from mifid.baseline.distributed import PeerError

        if isinstance(error, PeerError):
            return  # the process that failed reports why
        if not isinstance(error, MifidError):
            traceback.print_exc()
        _report(call, succeeded=False, value=error)
        return
    if os.environ.get("RANK", "0") == "0":
        _report(call, succeeded=True, value=value)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"Warning: {message}\n")


def _report(call: Path, *, succeeded: bool, value: Any) -> None:
    try:
        outcome = pickle.dumps((succeeded, value))
    except Exception:  # an error of another library that cannot be sent
        outcome = pickle.dumps((succeeded, MifidError(f"{type(value).__name__}: {value}")))
    temporary = call.with_name(f"{_OUTCOME}.{os.getpid()}")
    temporary.write_bytes(outcome)
    temporary.replace(call.with_name(_OUTCOME))


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        launch(sys.argv[2], sys.argv[3])
    else:
        work(sys.argv[2])
