"""How command lines are read: each mistake is a sentence that names the option, each help fits a terminal."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

_WIDEST = 98
# Values that name a file may hold any bytes (PEP 383), and those that are words with spaces may be none.
_FILES = ("FILE", "DIR", "PEM", "PATH", "SOCKET", "CA.PEM")
_WORDS = ('"a b"', '"A B"')


def examples(*lines: str) -> str:
    """An epilog that shows `lines` as what to type."""
    return "\n".join(["example:" if len(lines) == 1 else "examples:", *("  " + line for line in lines)])


class Help(argparse.HelpFormatter):
    """At most 98 columns wide. Paragraphs are filled, but what is laid out in indented lines stays so."""

    def __init__(self, prog: str):
        import shutil  # late, as below: most command lines are right, and ask for no help

        super().__init__(prog, width=min(shutil.get_terminal_size().columns - 2, _WIDEST))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        import textwrap

        filled = []
        for paragraph in text.strip("\n").split("\n\n"):
            if "\n " not in paragraph:
                paragraph = textwrap.fill(" ".join(paragraph.split()), width)
            filled.append(textwrap.indent(paragraph, indent))
        return "\n\n".join(filled)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose misuse ends with exit code 2 and two sentences on stderr.

    Beyond argparse it refuses a value that is empty or has control characters. `elsewhere`: commands that are
    there as well, and that another parser reads.
    """

    def __init__(self, *, elsewhere: Sequence[str] = (), **settings: Any):
        self._elsewhere = elsewhere
        super().__init__(**{"formatter_class": Help, "allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        """Say `message` and end with exit code 2."""
        sentence = message if message.endswith("?") else message.rstrip(".") + "."
        # Nothing that steers a terminal, and nothing that stderr can't take.
        printable = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in sentence)
        self.exit(2, f"{self.prog}: {printable}\nSee {self.prog} --help.\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse has it."""
        words = list(sys.argv[1:] if args is None else args)
        self._look_at(words[: words.index("--")] if "--" in words else words)
        return super().parse_known_args(words, namespace)

    def _look_at(self, words: list[str]) -> None:
        rest = iter(words)
        for word in rest:
            name, has_value, value = word.partition("=")
            action = self._option_string_actions.get(name)
            if action is None:
                if self._subparsers is not None and not _is_option(word):
                    return  # the rest is the sub-command's
                self._look_at_argument(word)
            elif action.nargs == 0:
                if has_value:
                    self.error(f"{name} takes no value")
            else:
                value = value if has_value else next(rest, "--")
                if not has_value and _is_option(value):
                    self.error(f"{name} needs a value: {action.metavar or 'one of ' + _listed(action)}")
                self._look_at_value(name, value, str(action.metavar))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse has it; a command that is none is told in words of its own."""
        if not isinstance(action, argparse._SubParsersAction) or value in action.choices:
            super()._check_value(action, value)
            return
        from difflib import get_close_matches

        known = [*action.choices, *self._elsewhere]
        near = get_close_matches(value, known, 1)
        hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(known)
        self.error(f"there is no command {value}; {hint}")

    def _look_at_argument(self, word: str) -> None:
        if not _is_option(word):
            self._look_at_value("an argument", word, "")
            return
        name = word.partition("=")[0]
        from difflib import get_close_matches

        near = get_close_matches(name, self._option_string_actions, 1)
        self.error(f"there is no option {name}" + (f"; did you mean {near[0]}?" if near else ""))

    def _look_at_value(self, name: str, value: str, shape: str) -> None:
        if not value and shape not in _WORDS:
            self.error(f"{name} is empty; " + (f"give {shape}, or leave it out" if shape else "leave it out"))
        bad = [one for one in value if ord(one) < 32 or one == "\x7f"]
        if shape not in _FILES:
            bad += [one for one in value if 0xD800 <= ord(one) < 0xE000]
        if bad:
            self.error(f"{name} has a character that can't be used: {ascii(bad[0])}; leave that out")


def _is_option(word: str) -> bool:
    """As argparse judges: with a space in it, or as a negative number, it is a value."""
    return word[:1] == "-" and word != "-" and " " not in word and not word[1:2].isdigit()


def _listed(action: argparse.Action) -> str:
    return ", ".join(map(str, action.choices or ()))
