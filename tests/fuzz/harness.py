"""Feed every reader with seeded hostile files: ``python tests/fuzz/harness.py -n 10000``.

A case is named by kind, seed and number, and can be made again: ``--kind zip --seed 1 --only 17``.
Expected of each: it is accepted or refused with a MifidError. Not: another exception, a crash, a
hang, a process, a connection, a file elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Findings", "Worker"]

_WORKER = Path(__file__).with_name("worker.py")
_START_SECONDS = 600  # to import torch beside a busy machine
_SHOWN = 40  # failures of a kind
_BAD = ("exception", "escaped", "crash", "hang")


@dataclass
class Findings:
    """What came of a kind's cases.

    Attributes:
        kind: its name.
        results: ``"accepted"``, ``"refused"``, ``"exception"``, ``"escaped"``, ``"crash"`` or
            ``"hang"`` -> how many cases.
        failures: a line for each case that is neither accepted nor refused.
        slowest: (seconds, case).
    """

    kind: str
    results: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def add(self, outcome: dict[str, object]) -> None:
        """Count a case."""
        result = str(outcome["result"])
        self.results[result] += 1
        self.slowest = max(
            self.slowest, (float(str(outcome.get("seconds", 0))), int(str(outcome["case"])))
        )
        if result in _BAD:
            self.failures.append(
                f"{self.kind} {outcome['case']}: {result} {outcome.get('error', '')}"
            )


class Worker:
    """A process that forks for each kind, so that torch is imported once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def fuzz(
        self, kind: str, *, seed: int, numbers: range, hang_seconds: float, keep: Path | None = None
    ) -> Findings:
        """Run cases in processes of their own; a crash or a hang ends one, the next goes on."""
        findings = Findings(kind)
        start = numbers.start
        with tempfile.TemporaryDirectory(prefix="mifid-fuzz-") as folder:
            while start < numbers.stop:
                for outcome in self._outcomes(
                    kind, seed, start, numbers.stop, folder, hang_seconds
                ):
                    findings.add(outcome)
                    start = int(str(outcome["case"])) + 1
            if keep is not None:
                for case in Path(folder).glob("*/*"):
                    if case.parent.name.lstrip("-").isdigit():
                        target = keep / kind / case.parent.name
                        target.mkdir(parents=True, exist_ok=True)
                        (target / case.name).write_bytes(case.read_bytes())
        return findings

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _outcomes(
        self, kind: str, seed: int, start: int, stop: int, folder: str, hang_seconds: float
    ) -> Iterator[dict[str, object]]:
        """Yield outcomes of one fork, the last one maybe that of a case that ended it."""
        assert self._process.stdin is not None
        print(kind, seed, start, stop, folder, file=self._process.stdin, flush=True)
        at, patience, pid, hangs = start, float(_START_SECONDS), 0, False
        while True:
            try:
                line = self._lines.get(timeout=patience)
            except queue.Empty:
                if not pid:
                    raise TimeoutError("the worker does not start") from None
                hangs = True
                os.kill(pid, signal.SIGKILL)
                continue
            if line is None:
                raise EOFError("the worker has ended")
            told = json.loads(line)
            pid = told.get("pid", pid)
            if "begins" in told:
                at, patience = told["begins"], hang_seconds
            elif "case" in told:
                yield told
            elif hangs:
                yield {"case": at, "result": "hang", "error": f"no end after {hang_seconds:g} s"}
            elif told.get("ended"):
                yield {"case": at, "result": "crash", "error": f"exit status {told['ended']}"}
            if "ended" in told:
                return


def _row(kind: str, *cells: object) -> str:
    return f"{kind:11}" + "".join(f"{cell!s:>10}" for cell in cells)


def main() -> None:
    """Run all kinds and print a table; exit status 1 if a case failed."""
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    from readers import KINDS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--cases", type=int, default=10_000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=list(KINDS), action="append")
    parser.add_argument("--only", type=int, help="one case, by its number")
    parser.add_argument("--hang-seconds", type=float, default=20)
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--keep", type=Path, help="folder for the files of failures")
    asked = parser.parse_args()
    kinds = asked.kind or list(KINDS)
    each = max(1, asked.cases // len(kinds))
    numbers = range(each) if asked.only is None else range(asked.only, asked.only + 1)

    def one(kind: str) -> Findings:
        with Worker() as worker:
            return worker.fuzz(
                kind,
                seed=asked.seed,
                numbers=numbers,
                hang_seconds=asked.hang_seconds,
                keep=asked.keep,
            )

    failed = 0
    print(_row("kind", "cases", "accepted", "refused", *_BAD, "slowest"))
    with ThreadPoolExecutor(asked.jobs) as pool:
        for found in pool.map(one, kinds):
            counts = [found.results[name] for name in ("accepted", "refused", *_BAD)]
            print(_row(found.kind, sum(counts), *counts, f"{found.slowest[0]:.1f} s"), flush=True)
            failed += len(found.failures)
            for line in found.failures[:_SHOWN]:
                print(f"    {line}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
