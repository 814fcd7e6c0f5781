"""How the client proves who it is: where its secret or key is, which is never typed in here."""

from ...core.errors import ConfigError
from ...core.text import clean
from . import answers, judging
from .asking import Asker
from .draft import Draft
from .edges import Edges
from .grants import CLIENT_CREDENTIALS
from .offer_questions import OfferQuestions
from .server_questions import ServerQuestions

_FILE, _CREDENTIAL, _VARIABLE, _KEY, _NONE = "file", "systemd", "variable", "key", "none"
_AUTH = "oauth.client_auth"
# By the place: the option, the setting, the question, what to suggest.
PLACES = {
    _FILE: (
        "client-secret-file",
        "oauth.client_secret_file",
        "Which file holds it, or will?",
        "client_secret",
    ),
    _CREDENTIAL: (
        *("client-secret-credential", "oauth.client_secret_credential"),
        *("What is the credential's name?", "client_secret"),
    ),
    _VARIABLE: (
        *("client-secret-env", "oauth.client_secret_env"),
        *("What is the variable's name?", "PAIRLET_CLIENT_SECRET"),
    ),
    _KEY: ("client-key-file", "oauth.client_key_file", "Which file holds the key, or will?", "client.key"),
}
_OPTIONS = [option for option, _, _, _ in PLACES.values()]
_IN_WORDS = (
    (_FILE, "in a file"),
    (_CREDENTIAL, "in a systemd credential"),
    (_VARIABLE, "in an environment variable"),
    (_KEY, "there is none, but a private key in a file (private_key_jwt)"),
)


class ProofQuestions:
    """Fills in what `draft` says of the client's secret, for the server that was asked about before."""

    def __init__(
        self, draft: Draft, asker: Asker, edges: Edges, server: ServerQuestions, offer: OfferQuestions
    ):
        self._draft = draft
        self._asker = asker
        self._edges = edges
        self._server = server
        self._offer = offer
        self._is_given = False

    def ask(self) -> None:
        """All of it. Raises ConfigError, and Stopped."""
        self._is_given = _AUTH in self._draft.values  # by --set, with whatever it takes
        while True:
            place = self._place()
            if place != _NONE:
                self._name(place)
            if self._is_taken(self._method(place)):
                return
            self._draft.put(PLACES[place][1], None)

    def _name(self, place: str) -> None:
        option, setting, question, suggestion = PLACES[place]
        own = {_CREDENTIAL: answers.credential, _VARIABLE: answers.variable}.get(place)
        check = self._edges.path(setting) if own is None else self._edges.fitting(setting, own)
        self._draft.put(setting, self._asker.text(option, question, check, suggestion))

    def _place(self) -> str:
        for place, (option, _, _, _) in PLACES.items():
            if self._asker.given(option) is not None:
                return place
        profile = self._draft.profile
        wanted = clean(profile.needs.get("client_secret_file", "")) if profile is not None else ""
        registers = profile is not None and profile.wants_secret and not wanted
        if self._is_given or registers:
            return _NONE
        is_needed = bool(wanted) or self._draft.grant == CLIENT_CREDENTIALS
        if self._asker.talk is None:
            if is_needed:
                options = [f"--{option}" for option in _OPTIONS]
                self._asker.missing.append(f"{', '.join(options[:-1])} or {options[-1]}")
            return _NONE
        question = "Where is the client secret? It is not typed in here"
        places = [each for each in _IN_WORDS if each[0] != _KEY or not wanted]
        if not is_needed:
            nowhere = (_NONE, "nowhere: the client is public, as on most devices")
            return self._asker.talk.choose(f"{question}.", [nowhere, *places], _NONE)
        question += f", but named: {wanted}." if wanted else "; this grant takes one, or a key."
        return self._asker.talk.choose(question, places, _FILE)

    def _method(self, place: str) -> str:
        """The client_auth in force; where the agent would not know it by itself, it is set."""
        preset = str(self._server.preset.get("client_auth", ""))
        if self._is_given:
            return self._draft.text(_AUTH)
        if place == _NONE:
            return "none"
        if place == _KEY:
            self._draft.put(_AUTH, "private_key_jwt")
        elif not preset:
            self._draft.put(_AUTH, judging.client_auth_for_secret(self._offer.found))
        return self._draft.text(_AUTH) or preset or "client_secret_basic"

    def _is_taken(self, method: str) -> bool:
        """Whether the server takes this, as far as it says, or one goes on all the same."""
        if self._offer.found is None:
            return True
        objections = judging.of_client_auth(method, self._offer.found)
        fatal = [each for each in objections if each.is_fatal]
        if not fatal:
            self._offer.note(objections)
            return True
        error = ConfigError(fatal[0].message, fatal[0].advice)
        if self._asker.objects(error, "Go on all the same?"):
            self._draft.notes.append(fatal[0].sentence)
            return True
        if self._is_given or any(self._asker.given(option) is not None for option in _OPTIONS):
            raise error
        self._draft.put(_AUTH, None)
        return False
