"""Whether the server offers the grant: it is asked, and the person is, until the two agree or one goes on."""

from collections.abc import Sequence

from ...core.errors import ConfigError, OAuthError, PairletError, TlsError
from . import answers, grants, judging
from .asking import Asker
from .draft import Draft, Value
from .edges import Edges
from .judging import Found, Objection
from .server_questions import ServerQuestions

_OFFLINE = "--offline writes the file without asking the server."
_WITHOUT = "Go on without asking the server?"
_CA_FILE = "oauth.ca_file"


class OfferQuestions:
    """Settles which server it is, and which grant. `found`: what it says of itself, None if nobody asked."""

    def __init__(self, draft: Draft, asker: Asker, edges: Edges, server: ServerQuestions):
        self._draft = draft
        self._asker = asker
        self._edges = edges
        self._server = server
        self.found: Found | None = None

    def ask(self) -> None:
        """All of it. Raises PairletError, and Stopped."""
        while True:
            self._server.ask()
            if self._is_found() and (self.found is None or self._takes_grant(self.found)):
                return

    def note(self, objections: Sequence[Objection]) -> None:
        """Say what is odd, and keep it for the end."""
        for objection in objections:
            self._draft.notes.append(objection.sentence)
            if self._asker.talk is not None:
                self._asker.talk.say(objection.sentence)

    def _once_more(self, error: PairletError) -> bool:
        """False: who the server is, is to be asked again. Raises `error` where options have said it."""
        if self._server.is_given:
            raise error
        return False

    def _is_found(self) -> bool:
        """Whether one can go on: `found` has what the server says, or nobody needs to know."""
        self.found, self._draft.checked = None, False
        if self._edges.look_up is None:
            return True
        values, talk = self._draft.values, self._asker.talk
        oauth: dict[str, Value] = {
            name.partition(".")[2]: value for name, value in values.items() if name.startswith("oauth.")
        }
        where = self._draft.text("oauth.issuer")
        if where and talk is not None:
            talk.say()
            talk.say(f"Asking {where} what it offers ...")
        try:
            self.found = self._edges.look_up({**self._server.preset, **oauth})  # type: ignore[dict-item]
        except PairletError as error:
            return self._goes_on(error)
        self._draft.checked = bool(self.found.members)
        return True

    def _goes_on(self, error: PairletError) -> bool:
        """As _is_found(), after `error`; once it is known which CA to trust, the server is asked again."""
        talk = self._asker.talk
        if talk is None:
            raise _with_way_out(error)
        if isinstance(error, TlsError) and _CA_FILE not in self._draft.values:
            talk.say()
            talk.tell(error)
            check = answers.or_nothing(self._edges.path(_CA_FILE))
            question = "Has a private CA signed its certificate? Then which file (PEM) holds that CA's?"
            self._draft.put(_CA_FILE, talk.ask(question, check, answers.NOTHING, "none"))
            if _CA_FILE in self._draft.values:
                return self._is_found()
            is_wanted = talk.confirm(_WITHOUT)
        else:
            is_wanted = self._asker.objects(error, _WITHOUT)
        if not is_wanted:
            if self._asker.given("ca-file") is None:
                self._draft.put(_CA_FILE, None)
            return self._once_more(error)
        self._draft.notes.append(f"The server was not asked: {error}.")
        return True

    def _takes_grant(self, found: Found) -> bool:
        """Whether to go on with this server, and the grant or another one."""
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


def _with_way_out(error: PairletError) -> PairletError:
    """`error`, whose advice names --offline where that would do."""
    if isinstance(error, ConfigError | OAuthError):
        return error
    return type(error)(str(error), f"{error.advice} {_OFFLINE}")
