"""A process that reads hostile files: it forks for each line ``KIND SEED START STOP FOLDER``.

So torch is imported once. Each fork writes a line of JSON before and after each case. What a file
must not do (start a process, open a connection, touch a file elsewhere) is seen by an audit hook,
which Python code cannot remove.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import Any, TextIO

_MORE_MEMORY = 2600 << 20
"""So many bytes of private memory may be added by all cases of a process together."""

_NEVER = frozenset(
    {
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "os.kill",
        "subprocess.Popen",
        "socket.connect",
        "socket.bind",
        "socket.getaddrinfo",
        "socket.sendto",
        "pty.spawn",
        "webbrowser.open",
        "urllib.Request",
        "ctypes.string_at",
        "ctypes.cdata",
        "pickle.find_class_of_code",
    }
)
_CHANGES = frozenset(
    {
        "os.remove",
        "os.rename",
        "os.mkdir",
        "os.rmdir",
        "os.chmod",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chown",
        "shutil.rmtree",
        "shutil.move",
    }
)


class Guard:
    """Notes what a case does outside its folder."""

    def __init__(self, folder: Path) -> None:
        self.on = False
        self.seen: list[str] = []
        self._writable = tuple(
            os.path.realpath(place)
            for place in (folder, tempfile.gettempdir(), os.environ["MIFID_CACHE"])
        )
        places = (
            sys.prefix,
            sys.base_prefix,
            *filter(None, sys.path),
            "/usr",
            "/lib",
            "/proc",
            "/sys",
            "/dev/null",
            "/dev/urandom",
            "/etc/localtime",
            "/etc/ssl",
            "/etc/mime.types",
            "/etc/fonts",
        )
        self._readable = (*self._writable, *(os.path.realpath(place) for place in places))
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in _NEVER:
            self.seen.append(f"{event} {args!r:.120}")
        elif event in _CHANGES and not self._within(args[0], self._writable):
            self.seen.append(f"{event} {args[0]!r:.120}")
        elif event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            mode, flags = args[1], args[2] or 0
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or bool(
                isinstance(mode, str) and set(mode) & set("wax+")
            )
            if not self._within(args[0], self._writable if writes else self._readable):
                self.seen.append(f"open {args[0]!r:.120} {mode}")

    @staticmethod
    def _within(path: Any, places: tuple[str, ...]) -> bool:
        if isinstance(path, int):
            return True
        real = os.path.realpath(os.fsdecode(path))
        return any(real == place or real.startswith(place.rstrip("/") + "/") for place in places)


def run(kind_name: str, seed: int, number: int, folder: Path, guard: Guard) -> dict[str, object]:
    """Make a case, read it, and say what came of it."""
    from readers import KINDS

    from mifid.errors import MifidError

    kind = KINDS[kind_name]
    random = Random(f"{kind_name} {seed} {number}")
    data = kind.make(random)
    case = folder / str(number)
    case.mkdir()
    path = case / kind.name(random)
    path.write_bytes(data)
    outcome: dict[str, object] = {"case": number, "bytes": len(data)}
    start = time.monotonic()
    guard.seen.clear()
    guard.on = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read(path, random)
        outcome["result"] = "accepted"
    except MifidError as error:
        str(error).encode()  # a message that no stream takes is no message
        outcome["result"] = "refused"
    except BaseException as error:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "/mifid/" in frame.filename
        ]
        at = (
            f"{frames[-1].filename.rpartition('/mifid/')[2]}:{frames[-1].lineno}"
            if frames
            else "outside mifid"
        )
        outcome |= {
            "result": "exception",
            "error": f"{type(error).__name__} at {at}: {str(error)[:150]!a}",
        }
    finally:
        guard.on = False
    outcome["seconds"] = round(time.monotonic() - start, 3)
    if guard.seen:
        outcome |= {"result": "escaped", "error": "; ".join(guard.seen[:3])}
    if outcome["result"] in ("accepted", "refused"):
        shutil.rmtree(case, ignore_errors=True)
    return outcome


def cases(kind: str, seed: int, start: int, stop: int, folder: Path, out: TextIO) -> None:
    """Run the cases START to STOP - 1."""
    os.environ["MIFID_CACHE"] = str(folder / "cache")
    os.environ["TORCH_HOME"] = str(folder / "torch")
    guard = Guard(folder)
    warm = run(kind, seed, -1, folder, guard)
    del warm  # modules that are imported late may open files of theirs
    status = Path("/proc/self/status").read_text()
    used = int(status.partition("VmData:")[2].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (used + _MORE_MEMORY, resource.RLIM_INFINITY))
    for number in range(start, stop):
        print(json.dumps({"begins": number}), file=out)
        print(json.dumps(run(kind, seed, number, folder, guard)), file=out)


def main() -> None:
    """Fork for each line of stdin; say which process has begun, and how it ended."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.dont_write_bytecode = True  # what a case imports late is not its doing
    import torch

    import mifid.scoring  # noqa: F401 - what is imported now is not imported by a case

    torch.set_num_threads(1)
    os.dup2(1, 2)
    for line in sys.stdin:
        kind, seed, start, stop, folder = line.rstrip("\n").split(" ", 4)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                print(json.dumps({"pid": os.getpid()}), file=out)
                cases(kind, int(seed), int(start), int(stop), Path(folder), out)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"ended": os.waitstatus_to_exitcode(status)}), file=out)


if __name__ == "__main__":
    sys.path[:0] = [
        str(Path(__file__).parent),
        str(Path(__file__).parents[1]),
        str(Path(__file__).parents[2]),
    ]
    main()
