"""Signals become requests, and only within the block."""

import signal
import threading

import pytest

from mifid.baseline.run.clock import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_handlers_restored(number):
    before = signal.getsignal(number)
    with stop_requests() as stop:
        assert not stop
        signal.raise_signal(number)
        assert stop
        assert stop.signal is number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("below_torchrun", [False, True])
def test_a_second_ctrl_c_interrupts_at_once(below_torchrun, monkeypatch):
    if below_torchrun:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "any")

    def again(stop):
        signal.raise_signal(signal.SIGINT)
        stop.since -= 16 if below_torchrun else 2
        signal.raise_signal(signal.SIGINT)

    with stop_requests() as stop, pytest.raises(KeyboardInterrupt):
        again(stop)


def test_one_ctrl_c_that_comes_twice_is_one(monkeypatch):
    """The terminal sends it to all processes, and torchrun sends it on to them."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "any")
    with stop_requests() as stop:
        signal.raise_signal(signal.SIGINT)
        stop.since -= 5  # later, as the machine is loaded
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
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
