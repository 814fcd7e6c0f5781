"""`python -m pairlet.linux` is the command `pairlet`."""

from .cli import entry

entry()
