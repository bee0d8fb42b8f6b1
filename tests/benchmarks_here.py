"""Commands of the benchmarks in the tests' own process: a new one imports torch for seconds.

test_child_processes.py runs some in processes of their own, as the benchmarks do. And a network of
the first four layers of Inception: features of width 64 in a tenth of the time.
"""

import io
import runpy
import sys
import time
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout

import pytest

from benchmarks import processes
from mifid.extractors import inception_network


def run_here(command, env, *, watch):
    """Stand for benchmarks.processes.measured()."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    started, code = time.perf_counter(), 0
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytest makes errors of them
        for name, value in env.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", command[2:])
        with redirect_stdout(out), redirect_stderr(err):
            try:
                if command[1] == "-m":
                    runpy.run_module(command[2], run_name="__main__", alter_sys=True)
                else:
                    assert command[1] == "-c"
                    exec(command[2], {"__name__": "__main__"})
            except SystemExit as left:
                code = left.code or 0
            except Exception:
                err.write(traceback.format_exc())
                code = 1
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    costs = {"seconds": time.perf_counter() - started, "cpu_seconds": 1.0}
    costs |= {"peak_mib": processes.peak_mib(), "together_mib": None}
    return processes.Measured(**costs, code=code, stdout=texts[0], stderr=texts[1])


def make_shallow(patch):
    """Let mifid's Inception, whichever its weights, end at torch-fidelity's features "64"."""
    layers = inception_network._TRUNK
    patch.setattr(inception_network, "_TRUNK", (*layers[:4], layers[-1]))
