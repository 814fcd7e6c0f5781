"""Big letters for the user code: a narrow proportional typeface, five pixels high, drawn in half blocks.

Drawn so that what a server may put into one code stays apart: 0 is crossed, Z is narrower at its
waist than 2, B and D have the straight back that 8 and O lack. The code is always there as text, too.
"""

import functools

from .half_blocks import enlarge, half_blocks

# Five rows, top to bottom; "#" is ink. All rows of a letter have the same length, its width.
_LETTERS = {
    "A": ".##. #..# #### #..# #..#",
    "B": "###. #..# ###. #..# ###.",
    "C": ".### #... #... #... .###",
    "D": "###. #..# #..# #..# ###.",
    "E": "### #.. ##. #.. ###",
    "F": "### #.. ##. #.. #..",
    "G": ".### #... #.## #..# .###",
    "H": "#..# #..# #### #..# #..#",
    "I": "### .#. .#. .#. ###",
    "J": "..# ..# ..# #.# .#.",
    "K": "#..# #.#. ##.. #.#. #..#",
    "L": "#.. #.. #.. #.. ###",
    "M": "#...# ##.## #.#.# #...# #...#",
    "N": "#...# ##..# #.#.# #..## #...#",
    "O": ".##. #..# #..# #..# .##.",
    "P": "###. #..# ###. #... #...",
    "Q": ".##. #..# #..# #.## .###",
    "R": "###. #..# ###. #.#. #..#",
    "S": ".### #... .##. ...# ###.",
    "T": "### .#. .#. .#. .#.",
    "U": "#..# #..# #..# #..# .##.",
    "V": "#...# #...# .#.#. .#.#. ..#..",
    "W": "#...# #...# #.#.# ##.## #...#",
    "X": "#..# #..# .##. #..# #..#",
    "Y": "#...# .#.#. ..#.. ..#.. ..#..",
    "Z": "#### ..#. .#.. #... ####",
    "0": ".###. #..## #.#.# ##..# .###.",
    "1": ".#. ##. .#. .#. ###",
    "2": "###. ...# .##. #... ####",
    "3": "###. ...# .##. ...# ###.",
    "4": "#..# #..# #### ...# ...#",
    "5": "#### #... ###. ...# ###.",
    "6": ".##. #... ###. #..# .##.",
    "7": "#### ...# ..#. .#.. .#..",
    "8": ".##. #..# .##. #..# .##.",
    "9": ".##. #..# .### ...# .##.",
    "-": "... ... ### ... ...",
    " ": ".. .. .. .. ..",
}

_ROWS = 5


def can_letter(text: str) -> bool:
    """Whether every character of `text` has a big letter. Lower case has none: a code may depend on it."""
    return bool(text) and all(character in _LETTERS for character in text)


def lettering_width(text: str, scale: int) -> int:
    """How many cells wide `lettering(text, scale)` is."""
    return scale * (sum(_letter_width(character) + 1 for character in text) - 1)


@functools.lru_cache(maxsize=32)  # a code is drawn every second
def lettering(text: str, scale: int) -> tuple[str, ...]:
    """`text` as lines of equal length, five pixels of `scale` half rows high. See can_letter()."""
    pixels: list[list[bool]] = []
    for row in range(_ROWS):
        strip = ".".join(_LETTERS[character].split()[row] for character in text)
        pixels.append([mark == "#" for mark in strip])
    return tuple(half_blocks(enlarge(pixels, scale)))


def _letter_width(character: str) -> int:
    return len(_LETTERS[character].split()[0])
