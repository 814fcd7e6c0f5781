"""Imports without the parts that the agent never uses, for a cold start and memory that fit a small board."""

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# requests loads one of these to guess the encoding of a text that does not say it. Nobody here asks for
# that: answers are bytes, and JSON is UTF-8 (RFC 8259 section 8.1). They cost a tenth of a cold start and
# 3 MB. requests knows how to do without (Response.apparent_encoding is UTF-8 then), and warns once.
_GUESSERS = ("chardet", "charset_normalizer")


@contextmanager
def lean_imports() -> Iterator[None]:
    """In the block, imports are cheaper: garbage is not looked for, and requests finds no detectors.

    Does nothing once requests is loaded; and a detector that is loaded already stays, because other code in
    the process wanted it. Safe in several threads.
    """
    if "requests" in sys.modules:
        yield
        return
    hidden = [name for name in _GUESSERS if name not in sys.modules]
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python itself marks what must not be found
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Modules make tens of thousands of objects that live for ever. To look through them again and again
        # is 3 % of a cold start, and of every later search for garbage: count them out.
        gc.freeze()
        if collects:
            gc.enable()
        for name in hidden:
            if name in sys.modules and sys.modules[name] is None:
                del sys.modules[name]
