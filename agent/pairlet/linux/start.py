"""The way in and the way out: a signal where nobody looks after it is no crash, and Ctrl-C an end at once."""

import os
import signal
import sys


def entry() -> None:
    """The console script `pairlet`."""
    _open_streams()
    # A button may be pressed before there is one.
    signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    try:
        _heed_ctrl_c()
        from .cli import main

        exit_code = main(sys.argv[1:])
        # It is over; what Python still has to do must not change the exit code.
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        sys.exit(exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        _heed_ctrl_c()


def _open_streams() -> None:
    """Whoever started us may have closed a standard stream. The next file that is opened must not take its
    place, where others write; and what is said on stderr goes nowhere."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  it is for as long as the process lives


def _heed_ctrl_c() -> None:
    """There is nothing to tidy up yet, or any more, when this is called.

    And a KeyboardInterrupt can be lost in what Python does by itself, between two modules that it reads; and
    while it ends it tells of one at length.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))
