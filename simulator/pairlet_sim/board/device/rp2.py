# mypy: ignore-errors
"""What of a Pico W's `rp2` a program on a virtual board may want."""

from _flash import Flash  # noqa: F401

_country = "XX"


def country(code=None):
    """Get or set the country that the radio's rules are taken from."""
    global _country
    if code is None:
        return _country
    _country = code


def bootsel_button():
    """1 while the button on the board is pressed; nobody presses it."""
    return 0
