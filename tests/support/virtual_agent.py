"""An agent of which time is virtual and every edge a fake but its HTTP, for a client of the model server."""

from collections.abc import Callable
from typing import TypeVar

from pairlet.agent import Agent, Ports
from pairlet.config import Config
from pairlet.core.client import Client
from pairlet.device import Device
from portable.fakes import (
    CountingEntropy,
    FixedSensors,
    ManualButton,
    MemoryStore,
    RecordingDisplay,
    ScriptedHttp,
    VirtualClock,
)
from portable.model_server import ISSUER

Kind = TypeVar("Kind", bound=Agent)


def virtual_agent(
    kind: type[Kind], clock: VirtualClock, http: ScriptedHttp, hear: Callable[[str], object]
) -> Kind:
    """An agent of that `kind`, not yet paired and without a broker. `hear` gets the name of each event."""
    edges = (RecordingDisplay(), MemoryStore(), CountingEntropy(), FixedSensors({}), ManualButton())
    return kind(
        Config.from_tables({"oauth": {"issuer": ISSUER, "client_id": "tv"}}, "test"),
        Client("tv"),
        Device("d1", "Kitchen"),
        Ports(clock, http, *edges, None, None),
        lambda event, **_: hear(event),
    )
