"""Which server it is, and whether it offers the grant: asked until both are right, or the person goes on."""

from collections.abc import Sequence
from pathlib import Path

from ...core.errors import ConfigError, OAuthError, PairletError
from ...core.text import clean
from .. import providers
from . import answers, grants, judging
from .asking import Asker, checked
from .draft import Draft, Value
from .edges import Edges
from .judging import Found, Objection

_ANOTHER = "another"
_COLUMN = 39
_OFFLINE = "--offline writes the file without asking the server."


class ServerQuestions:
    """Fills in what `draft` says of the server. `preset`: [oauth] as the provider's profile has it. `found`:
    what the server says of itself, None if nobody asked."""

    def __init__(self, draft: Draft, asker: Asker, edges: Edges):
        self._draft = draft
        self._asker = asker
        self._edges = edges
        self.found: Found | None = None
        self.preset: dict[str, object] = {}

    def ask(self) -> None:
        """All of it. Raises PairletError, and Stopped."""
        while True:
            self._draft.profile, named = self._provider()
            self._draft.put("oauth.provider", named)
            self._values()
            self._issuer()
            if self._is_asked() and (self.found is None or self._takes_grant(self.found)):
                return

    def _once_more(self, error: PairletError) -> bool:
        """False, for whoever asks who the server is once more; if options have said it, `error` is raised."""
        if self._asker.given("issuer") is not None or self._asker.given("provider") is not None:
            raise error
        return False

    # ---- who it is ----

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
        self.preset = {}
        values = {name: checked(where, answers.plain, value) for name, value in given.items()}
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
        """Whether plain http and mqtt to this machine are allowed, by an option or by the person. ConfigError
        if not, and the address was given by `option`."""
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

    # ---- what it offers ----

    def _is_asked(self) -> bool:
        """Whether one can go on: `found` has what the server says, or nobody needs to know."""
        self.found, self._draft.checked = None, False
        draft, talk = self._draft, self._asker.talk
        if self._edges.look_up is None:
            return True
        oauth: dict[str, Value] = {
            name.partition(".")[2]: value for name, value in draft.values.items() if name.startswith("oauth.")
        }
        where = draft.text("oauth.issuer")
        if where and talk is not None:
            talk.say()
            talk.say(f"Asking {where} what it offers ...")
        try:
            self.found = self._edges.look_up({**self.preset, **oauth})  # type: ignore[dict-item]
        except PairletError as error:
            if not self._asker.objects(
                _with_way_out(error, talk is None), "Go on without asking the server?"
            ):
                return self._once_more(error)
            draft.notes.append(f"The server was not asked: {error}.")
            return True
        draft.checked = bool(self.found.members)
        return True

    def _takes_grant(self, found: Found) -> bool:
        """Whether to go on with this server and the grant, or another one."""
        objections = judging.of_grant(self._draft.grant, found)
        fatal = [each for each in objections if each.is_fatal]
        if fatal:
            return self._takes_another(fatal[0], found)
        if self._asker.talk is not None and self._draft.checked:
            self._asker.talk.say(f"It offers {self._draft.grant}.")
        self.note(objections)
        return True

    def _takes_another(self, objection: Objection, found: Found) -> bool:
        draft, talk = self._draft, self._asker.talk
        error = ConfigError(objection.message, f"{objection.advice} {_OFFLINE}")
        if talk is None:
            raise error
        talk.say()
        talk.say(objection.sentence)
        for other in grants.REASONS:
            clash = grants.contradiction(other, draft.acts_for, draft.browser)
            fits = other != draft.grant and not clash and judging.offers(other, found)
            if fits and talk.confirm(f"The server offers {other}. Take that instead?", True):
                draft.put("oauth.grant", other)
                talk.lines(grants.REASONS[other])
                return True
        if not talk.confirm("Go on all the same?"):
            return self._once_more(error)
        draft.notes.append(objection.sentence)
        return True

    def note(self, objections: Sequence[Objection]) -> None:
        """Say what is odd, and keep it for the end."""
        for objection in objections:
            self._draft.notes.append(objection.sentence)
            if self._asker.talk is not None:
                self._asker.talk.say(objection.sentence)


def _with_way_out(error: PairletError, wanted: bool) -> PairletError:
    """`error`, whose advice names --offline where that is `wanted`."""
    if isinstance(error, OAuthError) or not wanted:
        return error
    return type(error)(str(error), f"{error.advice} {_OFFLINE}")


def _in_columns(names: Sequence[str]) -> list[str]:
    """The providers with their numbers, in two columns."""
    cells = []
    for number, name in enumerate(names, 1):
        title = "its address will do" if name == _ANOTHER else clean(providers.read(name, Path()).name)
        cells.append(f"{number:4}  {name:9} {title}")
    half = (len(cells) + 1) // 2
    left, right = cells[:half], [*cells[half:], ""]
    return [f"{one:{_COLUMN}}{other}".rstrip() for one, other in zip(left, right, strict=False)]
