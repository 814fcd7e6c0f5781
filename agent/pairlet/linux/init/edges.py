"""What the questions need of the rest of the program."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from . import answers
from .draft import Value
from .judging import Found


class Edges(NamedTuple):
    """`fits(setting, text)`: ConfigError unless the setting takes the text. `look_up(oauth)`: the server that
    the settings of [oauth] mean; raises PairletError; None: nobody is asked. `relative(path)`: a path from
    here, as the file has it. `brokers`: profiles of brokers, and whether each wants an authorizer.
    `parsed(setting, text)`: the text as a value of the file."""

    fits: Callable[[str, str], object]
    look_up: Callable[[dict[str, Value]], Found] | None
    relative: Callable[[str], str]
    brokers: Mapping[str, bool]
    parsed: Callable[[str, str], Value]

    def fitting(self, name: str, own: Callable[[str], str]) -> Callable[[str], str]:
        """A check: `own`, whose result the setting `name` takes as well, unless it is ""."""

        def check(text: str) -> str:
            value = own(text)
            if value:
                self.fits(name, value)
            return value

        return check

    def path(self, name: str) -> Callable[[str], str]:
        """A check for a setting that is the name of a file."""
        return self.fitting(name, lambda text: self.relative(answers.plain(text)))
