"""Signals become requests, and only within the block."""

import os
import signal
import threading

import pytest

from mifid.baseline.interrupts import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_handlers_restored(number):
    before = signal.getsignal(number)
    with stop_requests() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal is number
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_interrupts_at_once():
    def again(stop):
        os.kill(os.getpid(), signal.SIGINT)
        stop.since -= 2
        os.kill(os.getpid(), signal.SIGINT)

    with stop_requests() as stop, pytest.raises(KeyboardInterrupt):
        again(stop)


def test_one_ctrl_c_that_comes_twice_is_one():
    """The terminal sends it to all processes, and torchrun sends it on to them."""
    with stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.signal is signal.SIGINT


def test_other_threads_train_without_it():
    seen = []

    def work():
        with stop_requests() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
