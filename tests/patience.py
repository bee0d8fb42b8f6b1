"""Waiting for other processes: for what they do, never for a time that one machine needs."""

import time

PATIENCE = 900
"""Seconds after which something hangs: far more than a loaded machine needs."""


def wait_for(done, *, process=None):
    """Wait until ``done()`` is true; fail where ``process``, which is to do it, ends before."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if process is not None and process.poll() is not None:
            said = (process.stdout, process.stderr)
            raise AssertionError([pipe.read() for pipe in said if pipe is not None])
        assert time.monotonic() < deadline, "nothing happened for a quarter of an hour"
        time.sleep(0.02)
