"""Signals: told to whoever listens, an exception for everybody else."""

from __future__ import annotations

import os
import signal

import pytest

from runner.interrupt import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_listener_is_told(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        assert interrupts.halted() is None
        os.kill(os.getpid(), number)
        assert interrupts.halted() == "interrupted"


def test_without_a_listener_it_is_an_exception() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.halted() == "interrupted"


def test_a_second_one_does_not_wait() -> None:
    with Interrupts() as interrupts:
        interrupts.halted()
        os.kill(os.getpid(), signal.SIGINT)
        interrupts.halted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_listener_who_never_asks_again() -> None:
    with Interrupts() as interrupts:
        interrupts.halted()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.pause()


def test_behind_what_is_heeded_signals_are_ignored() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt), interrupts.heeded():
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_was_there_before_is_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
