"""Which authorization server it is: a provider with a profile, or one that its address is enough for."""

from collections.abc import Sequence
from pathlib import Path

from ...core.errors import ConfigError
from ...core.text import clean
from .. import providers
from . import answers
from .asking import Asker, checked
from .draft import Draft
from .edges import Edges

_ANOTHER = "another"
_COLUMN = 39


class ServerQuestions:
    """Fills in what `draft` says of the server. `preset`: [oauth] as the provider's profile has it."""

    def __init__(self, draft: Draft, asker: Asker, edges: Edges):
        self._draft = draft
        self._asker = asker
        self._edges = edges
        self.preset: dict[str, object] = {}

    @property
    def is_given(self) -> bool:
        """Whether options have said who it is, so that asking again would change nothing."""
        return self._asker.given("issuer") is not None or self._asker.given("provider") is not None

    def ask(self) -> None:
        """All of it, in place of what was said before. Raises ConfigError, and Stopped."""
        self._draft.profile, named = self._provider()
        self._draft.put("oauth.provider", named)
        self._values()
        self._issuer()

    def _provider(self) -> tuple[providers.Profile | None, str]:
        """The profile and how the file names it; (None, "") for a server without one."""
        given, talk = self._asker.given("provider"), self._asker.talk
        if given is not None:
            return checked("--provider", self._profile, given)
        if self._asker.given("issuer") is not None:
            return None, ""
        if talk is None:
            self._asker.missing.append("--issuer or --provider")
            return None, ""
        names = [*providers.names(), _ANOTHER]

        def check(text: str) -> tuple[providers.Profile | None, str]:
            word = text
            if text in [str(number + 1) for number in range(len(names))]:
                word = names[int(text) - 1]
            return (None, "") if word.lower() == _ANOTHER else self._profile(word)

        question = "Whose authorization server is it? (Or: the file of a profile of your own.)"
        return talk.ask(question, check, _ANOTHER, str(len(names)), _in_columns(names))

    def _profile(self, named: str) -> tuple[providers.Profile, str]:
        if "://" in named:
            raise ConfigError("that is an address", f"Take {_ANOTHER}, which asks for it, or --issuer.")
        is_path = named.endswith(".toml") or "/" in named
        word = answers.plain(named if is_path else named.lower())
        profile = providers.read(word, Path())
        kept = self._edges.relative(word) if is_path else word
        self._edges.fits("oauth.provider", kept)
        return profile, kept

    def _values(self) -> None:
        """What the profile leaves open and has no default for."""
        asker, profile, where = self._asker, self._draft.profile, "--value"
        given = dict(checked(where, answers.named_value, each) for each in asker.options.provider_values)
        values = {name: checked(where, answers.plain, value) for name, value in given.items()}
        self.preset = {}
        if profile is None:
            if given and not asker.missing:
                raise ConfigError(f"{where} is for what a profile leaves open", "Name one: --provider.")
            return
        for name, default in profile.values.items():
            if default or name in values:
                continue
            if asker.talk is None:
                asker.missing.append(f"{where} {name}=...")
                values[name] = "missing"
            else:
                words = clean(profile.needs.get(name, "see its documentation"))
                values[name] = asker.talk.ask(f"{clean(profile.name)}: {name}? It is {words}.", answers.plain)
        self.preset = profile.presets(profile.filled_values(values, where), where)["oauth"]
        self._draft.put("oauth.provider_values", values)

    def _issuer(self) -> None:
        profile, asker = self._draft.profile, self._asker
        needed = profile is None or ("issuer" in profile.needs and "issuer" not in self.preset)
        self._draft.put("oauth.issuer", None)
        if asker.given("issuer") is None and (not needed or (profile is None and asker.talk is None)):
            return
        shown = clean(profile.needs.get("issuer", "")) if profile is not None else "https://auth.example.com"
        question = f"What is the server's address (its issuer), as it calls itself? Such as {shown}."
        while True:
            issuer = asker.text("issuer", question, answers.issuer)
            if issuer is None or not answers.is_for_trying_out(issuer) or self.allows_plain("issuer"):
                self._draft.put("oauth.issuer", issuer)
                return

    def allows_plain(self, option: str) -> bool:
        """Whether plain http and mqtt to this machine are allowed, by an option or by the person.

        Raises ConfigError if not, and the address was given by `option`.
        """
        asker, name = self._asker, "oauth.insecure_http"
        if name in self._draft.values:
            return True
        words = "plain http and mqtt, to this machine alone, are for trying things out"
        if asker.talk is not None and asker.talk.confirm(f"{words.capitalize()}. Allow them?"):
            self._draft.put(name, True)
            return True
        if asker.talk is None or asker.given(option) is not None:
            raise ConfigError(f"--{option}: {words}", "Allow them with --insecure-http, or use TLS.")
        return False


def _in_columns(names: Sequence[str]) -> list[str]:
    """The providers with their numbers, in two columns."""
    cells = []
    for number, name in enumerate(names, 1):
        title = "its address will do" if name == _ANOTHER else clean(providers.read(name, Path()).name)
        cells.append(f"{number:4}  {name:9} {title}")
    half = (len(cells) + 1) // 2
    left, right = cells[:half], [*cells[half:], ""]
    return [f"{one:{_COLUMN}}{other}".rstrip() for one, other in zip(left, right, strict=False)]
