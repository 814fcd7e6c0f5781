"""What the board's displays say, and text cut to fit them."""

from pairlet.core.screen import DENIED, EXPIRED, PAIRED, RUNNING, STARTING, TROUBLE, UNPAIRED
from pairlet.core.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pairlet.core.screen import Screen

TITLES = {
    STARTING: "Starting",
    UNPAIRED: "Unpaired",  # the longest word that fits the panel in large letters
    PAIRED: "Paired",
    DENIED: "Declined",
    EXPIRED: "Expired",
    RUNNING: "Running",
    TROUBLE: "Trouble",
}
_LONGEST = 2048  # characters; no address or message comes near this


def drawable(text: str, ascii_only: bool = True) -> str:
    """`text` on one line with nothing in it that could steer a terminal; what a font lacks becomes "?".

    The core cleans what servers send; this is the last line of defence.
    """
    text = clean(text, _LONGEST)
    if ascii_only and len(text.encode()) != len(text):
        text = "".join([character if ord(character) < 127 else "?" for character in text])
    return text


def paragraphs(screen: "Screen", ascii_only: bool = True) -> "list[str]":
    """What stands below the title of a screen that is not CODE."""
    allowed = "Allowed: " + screen.scope if screen.scope else ""
    texts = [drawable(text, ascii_only) for text in (allowed, screen.message, screen.advice)]
    return [text for text in texts if text]


def chop(text: str, columns: int) -> "list[str]":
    """`text` in pieces of `columns` characters: for addresses and codes, in which nothing may be added."""
    return [text[start : start + columns] for start in range(0, len(text), columns)]


def wrap(text: str, columns: int) -> "list[str]":
    """`text` in lines of at most `columns` characters, broken between words where possible."""
    lines = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) <= columns:
            line += " " + word
            continue
        if line:
            lines.append(line)
        pieces = chop(word, columns)
        lines += pieces[:-1]
        line = pieces[-1]
    if line:
        lines.append(line)
    return lines
