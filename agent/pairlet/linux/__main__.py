"""`python -m pairlet.linux` is the command `pairlet`."""

import sys

try:
    from .cli import entry
except KeyboardInterrupt:
    # Ctrl-C while Python still reads the modules: the end that was asked for, not a crash.
    sys.exit(130)

entry()
