# mypy: ignore-errors
"""Handlers of pins and timers. They run in a thread of their own, which exists from the first one on.

A difference from the hardware: there a handler stops the program, here the two take turns.
"""

import _thread
import select
import sys
import time

import _layout
import _wire

_pins = {}
_timers = []
_events = None
_TICK_MS = 20


def watch(pin, number):
    """Call `pin._edge(old, new)` for every edge at pin `number` that comes from outside."""
    _pins[number] = pin
    _wire.tell(_layout.PIN_WATCH, number)
    _start()


def unwatch(number):
    """Call nobody any more."""
    _pins.pop(number, None)


def add_timer(timer):
    """Call `timer._due(now)` often; it returns False when it is over."""
    if timer not in _timers:
        _timers.append(timer)
    _start()


def remove_timer(timer):
    """Forget a timer."""
    if timer in _timers:
        _timers.remove(timer)


def _start():
    global _events
    if _events is None:
        _events = open(_wire.events_number, "rb")  # noqa: SIM115
        _thread.start_new_thread(_run, ())


def _run():
    poller = select.poll()
    poller.register(_events, select.POLLIN)
    while True:
        if poller.poll(1 if _timers else _TICK_MS):
            number, old, new, _ = _events.read(4)
            pin = _pins.get(number)
            if pin is not None:
                _call(pin._edge, old, new)
        now = time.ticks_ms()
        for timer in list(_timers):
            if not _call(timer._due, now):
                remove_timer(timer)


def _call(function, *arguments):
    """A handler that fails must not take the others with it."""
    try:
        return function(*arguments)
    except Exception as error:
        print("Unhandled exception in a callback")
        sys.print_exception(error)
