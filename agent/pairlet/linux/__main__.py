"""`python -m pairlet.linux` is the command `pairlet`."""

from .start import entry

entry()
