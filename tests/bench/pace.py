"""Keeping time to the microsecond: an event loop's own timers round to milliseconds, which is what is measured here."""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

CLOCK_MONOTONIC, NON_BLOCKING, ABSOLUTE = 1, 0o4000, 1
LEAST_PERIOD = 0.0002
LEAD = 0.01


class _Span(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Period(ctypes.Structure):
    _fields_ = (("interval", _Span), ("first", _Span))


def _span(seconds: float) -> _Span:
    whole = int(seconds)
    return _Span(whole, max(1, int((seconds - whole) * 1e9)))


async def at_rate(rate: float, seconds: float, due: Callable[[int, float], None]) -> None:
    """Call ``due(number, intended_at)`` ``rate`` times a second, never waiting for anything but the clock.

    What cannot be called in time is called late, with the time at which it was due.
    """
    done = asyncio.Event()
    began = time.perf_counter() + LEAD
    total = int(rate * seconds)
    number = 0

    def tick() -> None:
        nonlocal number
        os.read(timer, 8)
        now = time.perf_counter()
        while number < total and (intended_at := began + number / rate) <= now:
            due(number, intended_at)
            number += 1
        if number >= total:
            done.set()

    timer = _timer(began, max(1 / rate, LEAST_PERIOD))
    loop = asyncio.get_running_loop()
    loop.add_reader(timer, tick)
    try:
        await done.wait()
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _timer(first: float, period: float) -> int:
    """Rings at ``first``, by the clock of ``perf_counter``, and every ``period`` seconds after that."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer = int(libc.timerfd_create(CLOCK_MONOTONIC, NON_BLOCKING))
    times = _Period(_span(period), _span(first))
    if timer < 0 or libc.timerfd_settime(timer, ABSOLUTE, ctypes.byref(times), None) < 0:
        raise OSError(ctypes.get_errno(), "no timer")
    return timer
