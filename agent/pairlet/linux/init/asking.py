"""Where an answer comes from: an option, else the person, else the default; what is missing is noted."""

from argparse import Namespace
from collections.abc import Callable
from typing import TypeVar

from ...core.errors import ConfigError, PairletError
from .talk import Talk

Answer = TypeVar("Answer")


class Asker:
    """`talk`: the conversation, None where nobody can be asked. `missing`: options that are needed then."""

    def __init__(self, options: Namespace, talk: Talk | None):
        self.options = options
        self.talk = talk
        self.missing: list[str] = []

    def given(self, option: str) -> str | None:
        """What was given for `--option`, None for nothing."""
        value = getattr(self.options, option.replace("-", "_"))
        return None if value is None else as_typed(value)

    def text(
        self,
        option: str,
        question: str,
        check: Callable[[str], Answer],
        default: str | None = None,
        *,
        shown: str | None = None,
    ) -> Answer | None:
        """One answer, as `check` makes it; None only if it is missing. ConfigError for an option of no use.

        `default`: what Enter takes, and what counts where nobody is asked. `shown`: how a person reads it.
        """
        given = self.given(option)
        if given is not None:
            return checked("--" + option, check, given)
        if self.talk is not None:
            return self.talk.ask(question, check, default, shown)
        if default is None:
            self.missing.append(f"--{option}")
            return None
        return check(default)

    def objects(self, error: PairletError, question: str) -> bool:
        """Whether the person wants to go on in spite of `error`; without one it is raised."""
        if self.talk is None:
            raise error
        self.talk.say()
        self.talk.tell(error)
        return self.talk.confirm(question)

    def complete(self) -> None:
        """ConfigError if something is missing."""
        if not self.missing:
            return
        words = ", ".join(dict.fromkeys(self.missing))
        raise ConfigError(
            "there is no terminal to ask questions at, and answers are missing",
            f"Give {words}; pairlet init --help says what they mean.",
        )


def as_typed(value: object) -> str:
    """The text of an option. argparse (before Python 3.13) makes an empty list of --option=--."""
    return value if isinstance(value, str) else "--"


def checked(where: str, check: Callable[[str], Answer], text: object) -> Answer:
    """What `check` makes of the `text` of an option; its ConfigError says `where` it came from."""
    try:
        return check(as_typed(text).strip())
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}", error.advice) from None
