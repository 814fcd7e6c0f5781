"""The conversation: questions to a person at a terminal, until each has an answer."""

import os
import textwrap
from collections.abc import Callable, Sequence
from typing import BinaryIO, TextIO, TypeVar

from ...core.errors import EXIT_INTERRUPTED, ConfigError, PairletError

Answer = TypeVar("Answer")

_WIDTH = 80


class Stopped(PairletError):
    """The person has had enough: Ctrl-C, Ctrl-D, or a terminal that is gone."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self) -> None:
        super().__init__("stopped before the last answer", "Nothing was written.")


class Talk:
    """Asks on `stream`, reads answers as lines of bytes from `keyboard`. All methods raise Stopped."""

    def __init__(self, keyboard: BinaryIO, stream: TextIO):
        self._keyboard = keyboard
        self._stream = stream

    def say(self, text: str = "", indent: str = "") -> None:
        """Write `text` in lines of the terminal's width."""
        lines = textwrap.wrap(
            text, self._width(), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
        self.lines(lines or [""])

    def lines(self, lines: Sequence[str]) -> None:
        """Write lines as they are."""
        self._write("".join(line + "\n" for line in lines))

    def ask(
        self,
        question: str,
        check: Callable[[str], Answer],
        default: str | None = None,
        shown: str | None = None,
        lines: Sequence[str] = (),
    ) -> Answer:
        """What `check` makes of the first answer that it takes; it raises ConfigError for the others.

        Enter is `default`, which is `shown` in brackets, and so is what stands there; without one it is no
        answer. `lines` stand below the question.
        """
        self.say()
        self.say(question)
        self.lines(lines)
        shown = default if shown is None else shown
        prompt = "> " if default is None else f"[{shown}] > "
        while True:
            text = self._line(prompt)
            if not text and default is None:
                self.say("This one takes an answer.")
                continue
            if not text or text == shown:  # some type what they see in the brackets
                text = default or ""
            try:
                return check(text)
            except ConfigError as error:
                self.tell(error)

    def choose(self, question: str, options: Sequence[tuple[str, str]], default: str) -> str:
        """One of `options` (key, words), by its number or its key."""
        keys = [key for key, _ in options]

        def check(text: str) -> str:
            word = text.lower()
            if word in keys:
                return word
            if word in [str(number + 1) for number in range(len(keys))]:
                return keys[int(word) - 1]
            raise ConfigError("that is none of them", f"Type a number from 1 to {len(keys)}.")

        wide = max(len(key) for key in keys)
        lines = [f"{number:4}  {key:{wide}}  {words}" for number, (key, words) in enumerate(options, 1)]
        return self.ask(question, check, default, str(keys.index(default) + 1), lines)

    def confirm(self, question: str, default: bool = False) -> bool:
        """Yes or no."""

        def check(text: str) -> bool:
            if text.lower() in ("y", "yes", "n", "no"):
                return text.lower().startswith("y")
            raise ConfigError("that is neither yes nor no", "Type y or n.")

        return self.ask(question, check, "y" if default else "n", "Y/n" if default else "y/N")

    def tell(self, error: PairletError) -> None:
        """What is wrong, and what to do."""
        message = str(error)
        self.say(f"{message[:1].upper()}{message[1:]}. {error.advice}")

    def _line(self, prompt: str) -> str:
        """One line that was typed, without spaces around it."""
        self._write(prompt)
        try:
            typed = self._keyboard.readline()
        except (OSError, KeyboardInterrupt):
            typed = b""
        if not typed.endswith(b"\n"):
            self._write("\n")  # the terminal has written ^C, or nothing
            raise Stopped()
        # What is no UTF-8 becomes what no check lets pass.
        return typed.decode("utf-8", "surrogateescape").strip()

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            raise Stopped() from None

    def _width(self) -> int:
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        # Longer lines are no easier to read; a line that ends in the last column makes some terminals wrap.
        return min(columns or _WIDTH, 100) - 1
