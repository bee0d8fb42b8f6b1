"""Functions that test_torchrun calls in other processes."""

import sys

from mifid.errors import InputError, warn


def told(**given):
    """Say something in every way that a program has, and return what was given."""
    sys.stdout.write("on stdout\n")
    sys.stderr.write("on stderr\n")
    warn("a warning")
    return given


def refused(**_):
    raise InputError("it is wrong", hint="Mend it.")


def broken(**_):
    raise ZeroDivisionError("of all things")


def gone(**_):
    raise SystemExit(7)


def failed_elsewhere(**_):
    from mifid.baseline.distributed import PeerError

    raise PeerError("process 1 failed")
