"""The questions, in their order, and what each answer means for the next."""

from ...core.errors import ConfigError
from ...core.text import clean
from . import answers, grants, judging
from .asking import Asker, checked
from .draft import Draft
from .edges import Edges
from .offer_questions import OfferQuestions
from .proof_questions import PLACES, ProofQuestions
from .server_questions import ServerQuestions

# Settings that have an option, and its name.
_OPTION_OF = {
    "oauth.grant": "--grant", "oauth.provider": "--provider", "oauth.provider_values": "--value",
    "oauth.issuer": "--issuer", "oauth.ca_file": "--ca-file", "oauth.insecure_http": "--insecure-http",
    "oauth.client_id": "--client-id", "oauth.scope": "--scope", "mqtt.url": "--broker",
    "mqtt.profile": "--broker-profile", "mqtt.authorizer": "--authorizer",
    **{setting: f"--{option}" for option, setting, _, _ in PLACES.values()},
}  # fmt: skip
_MOST_SCOPES = 12


class Interview:
    """Asks everything once. `draft` holds the answers."""

    def __init__(self, asker: Asker, edges: Edges):
        self._asker = asker
        self._edges = edges
        self.draft = Draft()
        self._server = ServerQuestions(self.draft, asker, edges)
        self._offer = OfferQuestions(self.draft, asker, edges, self._server)
        self._proof = ProofQuestions(self.draft, asker, edges, self._server, self._offer)

    def run(self) -> Draft:
        """The answers, every one. Raises ConfigError, what asking the server ends with, and Stopped."""
        self._further_settings()
        self._grant()
        self._trust()
        self._offer.ask()
        self._client_id()
        self._proof.ask()
        self._scope()
        self._needs()
        self._broker()
        self._asker.complete()
        return self.draft

    def _further_settings(self) -> None:
        for given in self._asker.options.settings:
            name, value = checked("--set", answers.named_value, given)
            if name in _OPTION_OF:
                raise ConfigError(f"--set {name}: there is an option for it", f"Use {_OPTION_OF[name]}.")
            self._edges.fits(name, value)
            self.draft.put(name, self._edges.parsed(name, value))

    # ---- the device ----

    def _grant(self) -> None:
        draft, options, talk = self.draft, self._asker.options, self._asker.talk
        draft.acts_for, draft.browser = options.acts_for, options.browser
        given = self._asker.given("grant")
        if given is None:
            self._device()
            given = grants.fitting(draft.acts_for or grants.PERSON, draft.browser or False)
        else:
            given = checked("--grant", lambda text: str(self._edges.fits("oauth.grant", text)), given)
            clash = grants.contradiction(given, draft.acts_for, draft.browser)
            if clash:
                raise ConfigError(clash, "Leave out --grant, or what contradicts it.")
            draft.acts_for = grants.whom_for(given)
        draft.put("oauth.grant", given)
        if talk is not None:
            talk.say()
            talk.say(f"The grant for this is {given}.")
            talk.lines(grants.REASONS[given])

    def _device(self) -> None:
        draft, talk = self.draft, self._asker.talk
        if draft.acts_for is None:
            if talk is None:
                self._asker.missing.append("--for")
            else:
                whom = [
                    (grants.PERSON, "for a person's account: a TV, a kiosk, a command line"),
                    (grants.DEVICE, "as itself, and nobody signs in: a sensor, a gateway"),
                ]
                draft.acts_for = talk.choose("Whom does the device act for?", whom, grants.PERSON)
        if draft.acts_for == grants.DEVICE:
            draft.browser = None
        elif draft.browser is None:
            if talk is None:
                self._asker.missing.append("--browser or --no-browser")
            else:
                draft.browser = talk.confirm("Is there a browser on the device, and a way to type in it?")

    def _trust(self) -> None:
        """What the server is asked with."""
        ca_file = self._asker.given("ca-file")
        if ca_file is not None:
            self.draft.put("oauth.ca_file", checked("--ca-file", self._edges.path("oauth.ca_file"), ca_file))
        if self._asker.options.insecure_http:
            self.draft.put("oauth.insecure_http", True)

    # ---- the client ----

    def _need(self, key: str) -> str:
        """What the provider's profile wants to be there, "" if it does not want it."""
        profile = self.draft.profile
        return clean(profile.needs.get(key, "")) if profile is not None else ""

    def _client_id(self) -> None:
        if "client_id" in self._server.preset and self._asker.given("client-id") is None:
            return
        words = self._need("client_id") or "who this kind of device is to the server, as registered there"
        check = self._edges.fitting("oauth.client_id", answers.client_id)
        client_id = self._asker.text("client-id", f"What is the client_id? It is {words}.", check)
        self.draft.put("oauth.client_id", client_id)

    def _scope(self) -> None:
        found, wanted = self._offer.found, self._need("scope")
        suggested = str(self._server.preset.get("scope", ""))
        suggested = suggested or judging.suggested_scope(self.draft.grant, found)
        default = suggested or (None if wanted else answers.NOTHING)
        question = "What may the device do? Name its scopes, with spaces in between"
        question += f", '{answers.NOTHING}' for none." if suggested and not wanted else "."
        if wanted:
            question += f" {wanted[:1].upper()}{wanted[1:]}."
        known = judging.known_scopes(found)
        if known:
            more = f" and {len(known) - _MOST_SCOPES} more" if len(known) > _MOST_SCOPES else ""
            question += f" The server knows: {', '.join(known[:_MOST_SCOPES])}{more}."
        check = self._edges.fitting("oauth.scope", answers.some_scope if wanted else answers.scope)
        shown = "none" if default == answers.NOTHING else default
        while True:
            scope = self._asker.text("scope", question, check, default, shown=shown)
            strange = judging.strange_scopes(scope or "", found)
            if not strange or self._asker.talk is None or self._asker.given("scope") is not None:
                break
            if self._asker.talk.confirm(
                f"The server does not name {', '.join(strange)}. Ask for it all the same?"
            ):
                break
        # A profile's scope stays in force unless it is taken back: "" does that.
        self.draft.values["oauth.scope"] = scope or ""
        if not scope and not self._server.preset.get("scope"):
            self.draft.put("oauth.scope", None)
        if found is not None:
            self._offer.note(judging.of_scope(scope or "", self.draft.grant, found))

    def _needs(self) -> None:
        """What else the provider's profile wants to be set."""
        profile, talk = self.draft.profile, self._asker.talk
        for key in profile.needs if profile is not None else ():
            name = "oauth." + key
            is_known = name in _OPTION_OF or name in self.draft.values or key in self._server.preset
            if profile is None or is_known or key in profile.values:
                continue
            if talk is None:
                self._asker.missing.append(f"--set {name}=...")
            else:
                check = self._edges.fitting(name, answers.plain)
                answer = talk.ask(f"{clean(profile.name)} wants {key}: {self._need(key)}.", check)
                self.draft.put(name, self._edges.parsed(name, answer))

    # ---- the broker ----

    def _broker(self) -> None:
        asker, draft = self._asker, self.draft
        question = "Which broker does telemetry go to, such as mqtts://broker.example.com?"
        check = self._edges.fitting("mqtt.url", answers.broker)
        while True:
            url = asker.text("broker", question, check, answers.NOTHING, shown="none")
            if not url or not url.lower().startswith("mqtt:") or self._server.allows_plain("broker"):
                break
        draft.put("mqtt.url", url)
        if not url:
            for option in ("broker-profile", "authorizer"):
                if asker.given(option) is not None:
                    raise ConfigError(
                        f"--{option} is about a broker, and there is none", "Give --broker as well."
                    )
            return
        question = f"Which kind of broker is it: {', '.join(self._edges.brokers)}?"
        profile = asker.text("broker-profile", question, self._known_broker, "generic")
        draft.put("mqtt.profile", profile if profile != "generic" else None)
        if asker.given("authorizer") is not None or self._edges.brokers.get(profile or ""):
            check = self._edges.fitting("mqtt.authorizer", answers.plain)
            draft.put(
                "mqtt.authorizer", asker.text("authorizer", "What is the custom authorizer's name?", check)
            )

    def _known_broker(self, text: str) -> str:
        if text.lower() not in self._edges.brokers:
            names = ", ".join(self._edges.brokers)
            raise ConfigError(f"there is no profile '{clean(text, 40)}' of a broker", f"There are: {names}.")
        return text.lower()
