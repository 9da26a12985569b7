from __future__ import annotations

import os
import signal
from datetime import datetime

import pytest

from indexer.stopping import Stop, Stopped, next_time_of_day

NOON = datetime(2026, 11, 23, 12, 0)


def test_a_time_of_day_is_its_next_one() -> None:
    assert next_time_of_day("13:30", now=NOON) == datetime(2026, 11, 23, 13, 30)
    assert next_time_of_day("06:00", now=NOON) == datetime(2026, 11, 24, 6, 0)
    assert next_time_of_day("12:00", now=NOON) == datetime(2026, 11, 24, 12, 0)


@pytest.mark.parametrize("text", ["6", "25:00", "06:00:00", "", "six"])
def test_what_is_no_time_of_day_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="06:00"):
        next_time_of_day(text, now=NOON)


def test_after_its_time_a_run_is_told_to_stop() -> None:
    clock = [NOON]
    stop = Stop(until=datetime(2026, 11, 23, 12, 1), clock=lambda: clock[0])
    assert stop.reason() is None
    clock[0] = datetime(2026, 11, 23, 12, 1)
    assert stop.reason() == "until"


def test_a_signal_asks_for_the_end_and_a_second_one_forces_it() -> None:
    stop = Stop()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.reason() == "interrupted" and stop.signal_number == signal.SIGTERM
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGINT)


def test_long_reading_is_ended_at_once_and_so_is_what_would_come_after() -> None:
    stop = Stop()
    with stop.listening():
        with pytest.raises(Stopped), stop.at_once():
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped), stop.at_once():
            raise AssertionError("not reached")


def test_the_handlers_of_before_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stop().listening():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
