"""The way in: Ctrl-C while Python still reads the modules is the end that was asked for, not a crash."""

import sys


def entry() -> None:
    """The console script `pairlet`."""
    try:
        from .cli import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
