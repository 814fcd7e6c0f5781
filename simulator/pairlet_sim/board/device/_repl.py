# mypy: ignore-errors
"""MicroPython's prompts as boards have them: friendly, raw, raw-paste. What `mpremote` speaks with.

MicroPython on a desktop has no raw REPL (or not all of it), so it is here, in Python. The host makes
"\\n" into "\\r\\n" on the way out. Input is read byte by byte from standard input, which is a pipe.
"""

import io
import sys

import _layout
import _wire

FRIENDLY, RAW = 0, 1
_WINDOW = 128  # bytes that the other side may send ahead in raw-paste mode
_HISTORY = 8
_OPENERS = ("if", "while", "for", "def", "class", "with", "try", "async")


class SoftReset(Exception):
    """The interpreter has to start anew; `raw`: at the raw prompt again."""

    def __init__(self, raw):
        super().__init__(raw)
        self.raw = raw


def _read():
    character = _input.read(1)
    if not character:
        # The host is gone, and with it the world.
        sys.exit(0)
    return character[0]


def interrupt_character(number):
    """From now on `number` (-1: none) stops the running program instead of being input."""
    global _run
    _run = (_run + 1) & 255
    _wire.write(_layout.INTERRUPT, bytes([number & 255, _run]))


def print_error(error):
    """A traceback without the lines of this module, which a board would not have."""
    try:
        text = io.StringIO()
        _print_exception(error, text)
        lines = text.getvalue().split("\n")
        kept = [line for line in lines if '_repl.py"' not in line and '_boot.py"' not in line]
        _write("\n".join(kept))
    except MemoryError:
        _print_exception(error)


def run(function, *arguments):
    """Run a piece of the program; the exception that ended it, or None. SystemExit asks for a soft reset."""
    try:
        try:
            interrupt_character(3)
            function(*arguments)
        finally:
            interrupt_character(-1)
    except BaseException as error:
        return error
    return None


def start(box, names, kind):
    """Compile and run the source in `box`, which is emptied: a board has no room for a second copy."""
    source = box.pop()
    code = compile(source if isinstance(source, str) else str(source, "utf-8"), "<stdin>", kind)
    del source
    exec(code, names)


def prompts(names, raw):
    """Talk for ever, with `names` as the program's globals. SoftReset is the only way out."""
    mode = RAW if raw else FRIENDLY
    greet = True
    while True:
        try:
            interrupt_character(-1)
            if mode == FRIENDLY and greet:
                _write(_banner())
            mode, greet = (_raw if mode == RAW else _friendly)(names), True
        except KeyboardInterrupt:
            # Ctrl-C came just as the program ended: it has nothing left to interrupt.
            greet = False


# ---- raw -------------------------------------------------------------------------------------


def _raw(names):
    _write("raw REPL; CTRL-B to exit\n")
    while True:
        _write(">")
        line = bytearray()
        while True:
            character = _read()
            if character == 1:
                if line == b"\x05A":
                    line = _paste()
                    break
                line = bytearray()
                _write("raw REPL; CTRL-B to exit\n>")
            elif character == 2:
                _write("\n")
                return FRIENDLY
            elif character == 3:
                line = bytearray()
            elif character == 4:
                _write("OK")
                if not line:
                    _write("\n")
                    raise SoftReset(True)
                break
            else:
                line.append(character)
        if line is not None:
            box = [line]
            line = None
            _execute_raw(box, names)


def _execute_raw(box, names):
    """Run it; the answer is output, Ctrl-D, error, Ctrl-D."""
    error = run(start, box, names, "exec")
    _write("\x04")
    if isinstance(error, SystemExit):
        _write("\x04")
        raise SoftReset(True)
    if error is not None:
        print_error(error)
    _write("\x04")


def _paste():
    """Raw-paste mode, with flow control: returns the source, or None if it was broken off."""
    _write(bytes((82, 1, _WINDOW, 0, 1)))
    source = bytearray()
    left = _WINDOW
    while True:
        character = _read()
        if character in (3, 4):
            _write("\x04")
            return source if character == 4 else None
        source.append(character)
        left -= 1
        if not left:
            left = _WINDOW
            _write("\x01")


# ---- friendly --------------------------------------------------------------------------------


def _friendly(names):
    """Prompts until the mode changes."""
    while True:
        source = _line(">>> ", True)
        if source is None:
            continue
        if source == "\x01":
            return RAW
        if source in ("\x02", "\x04"):
            _write("\n")
            if source == "\x04":
                raise SoftReset(False)
            _write(_banner())
            continue
        if source == "\x05":
            source = _paste_block()
            kind = "exec"
        else:
            source = _more(source)
            kind = "single"
        if source and source.strip():
            error = run(start, [source], names, kind)
            if isinstance(error, SystemExit):
                raise SoftReset(False)
            if error is not None:
                print_error(error)


def _banner():
    return 'MicroPython %s; %s\nType "help()" for more information.\n' % (
        sys.version.split("MicroPython ")[-1],
        sys.implementation._machine,
    )


def _line(prompt, first):
    """A line, a control character that changes the mode, or None after Ctrl-C."""
    _write(prompt)
    text = ""
    back = len(_lines)
    while True:
        character = _read()
        if character == 13 or character == 10:
            _write("\n")
            if text and (not _lines or _lines[-1] != text):
                _lines.append(text)
                if len(_lines) > _HISTORY:
                    _lines.pop(0)
            return text
        if character == 3:
            _write("\n")
            return None
        if character in (1, 2, 4, 5) and first and not text:
            if character == 1:
                _write("\n")
            return chr(character)
        if character in (8, 127):
            if text:
                text = text[:-1]
                _write("\b \b")
        elif character == 27:
            back, text = _arrow(back, text)
        elif character == 9:
            text += "    "
            _write("    ")
        elif character >= 32:
            text += chr(character)
            _write(chr(character))


def _arrow(back, text):
    """Up and down go through the history; other keys that send an escape sequence do nothing."""
    if _read() != 91:
        return back, text
    final = _read()
    while 48 <= final <= 59:
        final = _read()
    wanted = back - (final == 65) + (final == 66)
    if final in (65, 66) and 0 <= wanted <= len(_lines):
        _write("\b \b" * len(text))
        text = _lines[wanted] if wanted < len(_lines) else ""
        _write(text)
        return wanted, text
    return back, text


def _more(source):
    """Further lines of a statement that is not complete; None after Ctrl-C."""
    if not _open(source):
        return source
    while True:
        line = _line("... ", False)
        if line is None:
            return None
        source += "\n" + line
        if not line.strip() or not _open(source):
            return source + "\n"


def _open(source):
    """Whether a person would go on typing: a block, a bracket, a text or a line that is not closed."""
    words = source.split(None, 1)
    if words and (source[0] == "@" or words[0].rstrip(":(") in _OPENERS):
        return True
    depth = 0
    quote = ""
    index = 0
    while index < len(source):
        character = source[index]
        if quote:
            if character == "\\":
                index += 1
            elif source.startswith(quote, index):
                index += len(quote) - 1
                quote = ""
        elif character in "'\"":
            quote = character * 3 if source.startswith(character * 3, index) else character
            index += len(quote) - 1
        elif character == "#":
            break
        else:
            depth += (character in "([{") - (character in ")]}")
        index += 1
    return depth > 0 or len(quote) == 3 or source.endswith("\\")


def _paste_block():
    """Paste mode: everything up to Ctrl-D; None after Ctrl-C."""
    _write("\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\n=== ")
    source = ""
    while True:
        character = _read()
        if character in (3, 4):
            _write("\n")
            return source if character == 4 else None
        character = "\n" if character == 13 else chr(character)
        source += character
        _write("\n=== " if character == "\n" else character)


_run = 0
_lines = []
_input = sys.stdin.buffer
_write = sys.stdout.write
_print_exception = sys.print_exception
