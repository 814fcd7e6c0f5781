"""What the checks of `pairlet doctor` know of the device, and learn from each other."""

import argparse
import socket
from typing import TYPE_CHECKING, Any

from ..core.json_object import parse
from ..core.metadata import ENDPOINTS, ServerMetadata
from ..device import DEVICE, Device, identify
from ..keeper import TokenKeeper
from ..parameters import of_keeper, of_token_requests
from .clock import SystemClock
from .commands import ca_file_of, client_at_work, configuration, configuration_file, open_http, state_folder
from .commands_client import certificate_of
from .commands_telemetry import check_telemetry
from .doctor.asking import Listening
from .doctor.places import Place, Way, broker_place, place_of
from .doctor.reading import ReadOnlyStore
from .entropy import SystemEntropy
from .standing.facts import Facts

if TYPE_CHECKING:
    from ..ports import Http
    from .sensors.choice import Choice


class Case:
    """One device. What `arguments` configure is known at once (ConfigError if it can't be used); the rest is
    None until a check has found it.

    store: the state folder, if it may be used. live: what an agent at work says of itself. metadata: of the
    server, `members` the document it is from. keeper: holds the stored token.
    """

    def __init__(self, arguments: argparse.Namespace):
        self.file = configuration_file(arguments.config)
        config = self.config = configuration(arguments, self.file)
        self.client = client_at_work(config)
        self.folder = state_folder(config)
        self.token_parameters = of_token_requests(config)
        self.grant = config.text("oauth.grant")
        self.has_broker = bool(config.text("mqtt.url"))
        self.choice: Choice | None = check_telemetry(config, self.file) if self.has_broker else None
        self.clock, self.entropy = SystemClock(), SystemEntropy()
        self.wall = self.clock.wall()  # before any server tells it the time
        self.ways: dict[Place, Way] = {}
        self.store: ReadOnlyStore | None = None
        self.live: dict[str, Any] | None = None
        self.metadata: ServerMetadata | None = None
        self.members: dict[str, object] = {}
        self.keeper: TokenKeeper | None = None
        self._certificate = certificate_of(config)
        self._http: Http | None = None
        self._listening: Listening | None = None

    def words(self) -> str:
        """What is configured."""
        where = str(self.file) if self.file else "the command line alone"
        return f"{where}; {self.grant} as the client {self.client.client_id} ({self.client.client_auth})"

    @property
    def proves(self) -> bool:
        """Whether token requests have a DPoP proof."""
        return self.config.flag("oauth.dpop")

    def open_http(self) -> "Http":
        """The port Http, the same one each time. Raises ConfigError."""
        if self._http is None:
            store = self.store or ReadOnlyStore(None)
            self._http = self._listening = Listening(open_http(self.config, store, self.clock))
            if self.proves:
                from .commands_dpop import with_passing_proofs

                issuer = self.config.text("oauth.issuer")
                self._http = with_passing_proofs(self._http, store, self.clock, issuer)
        return self._http

    def ahead_s(self) -> float | None:
        """See Listening; None as well before anything was asked."""
        return None if self._listening is None else self._listening.ahead_s

    def last_answer(self) -> dict[str, object]:
        """The members of the last answer. Raises ProtocolError."""
        answer = None if self._listening is None else self._listening.answer
        return {} if answer is None else parse(answer.body)

    def open_keeper(self) -> TokenKeeper:
        """What reads the stored token. Raises StoreError, and ConfigError if it is another account's."""
        assert self.store is not None
        config = self.config
        account = config.text("oauth.issuer") or config.text("oauth.token_endpoint"), self.client.client_id
        keeper = TokenKeeper(account, self.store, self.clock, self.entropy, _unheard, *of_keeper(config))
        keeper.load()
        self.keeper = keeper
        return keeper

    def device(self) -> Device | None:
        """This device, None if it has no id yet. Raises StoreError."""
        store = self.store
        if store is None or (not self.config.text("pairing.device_id") and store.load(DEVICE) is None):
            return None
        return identify(self.config, store, self.entropy, socket.gethostname(), _unheard)

    def facts(self) -> Facts | None:
        """What the agent at work says, None without one."""
        said = None if self.live is None else self.live.get("facts")
        return Facts.from_json(said) if isinstance(said, dict) else None

    def issuer_way(self) -> Way | None:
        """The way to the issuer, None without one."""
        return self.way_to(self.config.text("oauth.issuer"))

    def broker_way(self) -> Way | None:
        """The way to the broker, None without one."""
        return None if not self.has_broker else self.ways.get(self._broker_place())

    def way_to(self, url: str) -> Way | None:
        """The way to an endpoint; None if it was not tried."""
        place = place_of(url, ca_file_of(self.config, "oauth"))
        return None if place is None else self.ways.get(place)

    def new_ways(self) -> list[Way]:
        """The ways to what is known by now and was not asked for before: issuer, endpoints, broker."""
        config, metadata = self.config, self.metadata
        urls = [config.text("oauth.issuer")]
        urls += [config.text("oauth." + name) or getattr(metadata, name, None) or "" for name in ENDPOINTS]
        ca_file = ca_file_of(config, "oauth")
        places = [place for url in urls if (place := place_of(url, ca_file)) is not None]
        ways = [(place, Way(place, self._certificate)) for place in places]
        if self.has_broker:
            ways.append((self._broker_place(), Way(self._broker_place())))
        found = {place: way for place, way in ways if place not in self.ways}
        self.ways.update(found)
        return list(found.values())

    def _broker_place(self) -> Place:
        config = self.config
        insecure = config.flag("oauth.insecure_http")
        return broker_place(config.text("mqtt.url"), ca_file_of(config, "mqtt"), insecure)


def _unheard(event: str, **fields: object) -> None:
    """What the keeper tells when it moves things, which it can't do here."""
