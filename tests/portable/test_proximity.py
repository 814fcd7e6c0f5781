"""Where a code goes: to the display of this device and nowhere else (RFC 8628 sections 5.5 and 5.7)."""

import asyncio

from fakes import (
    CountingEntropy,
    FixedSensors,
    ManualButton,
    MemoryBroker,
    MemoryStore,
    RecordingDisplay,
    ScriptedHttp,
    VirtualClock,
)
from model_server import ISSUER, ModelServer
from pairlet.agent import Agent, Ports
from pairlet.config import Config
from pairlet.core.client import Client
from pairlet.device import Device


class Recorder(MemoryBroker):
    """A broker that keeps every message that it was given, the will included."""

    def __init__(self):
        super().__init__()
        self.seen = []

    async def connect(self, credentials, will):
        if will is not None:
            self.seen.append(will)
        return await super().connect(credentials, will)

    async def publish(self, message):
        self.seen.append(message)
        return await super().publish(message)

    def send(self, message, settle):
        self.seen.append(message)
        super().send(message, settle)


def paired_and_running():
    """An agent that paired and then published for a while: (display, broker, the code it showed)."""
    clock = VirtualClock()
    server = ModelServer(clock, "approve")
    display, broker = RecordingDisplay(), Recorder()
    told = []
    config = Config.from_tables(
        {"oauth": {"issuer": ISSUER, "client_id": "tv", "scope": "telemetry"}}, "test"
    )
    ports = Ports(
        clock,
        ScriptedHttp(clock, server, latency_ms=50),
        display,
        MemoryStore(),
        CountingEntropy(),
        FixedSensors({"cpu": 1}),
        ManualButton(),
        broker,
        None,
    )
    agent = Agent(
        config,
        Client("tv"),
        Device("d1", "Kitchen"),
        ports,
        lambda event, **fields: told.append((event, fields)),
    )
    asyncio.run(clock.drive(agent.run(), 600000))
    codes = [fields["user_code"] for event, fields in told if event == "code"]
    assert len(codes) == 1
    return display, broker, codes[0]


def test_item_26_the_code_is_shown_and_never_sent_over_the_network():
    display, broker, code = paired_and_running()
    assert [screen for screen in display.screens if screen.user_code == code], "it was shown"
    assert len(broker.seen) > 2
    for message in broker.seen:
        for text in (code, code.replace("-", "")):
            assert text.encode() not in message.payload and text not in message.topic_name


def test_item_24_the_code_leaves_the_display_when_it_is_of_no_more_use():
    display, _, code = paired_and_running()
    kinds = [screen.kind for screen in display.screens]
    last = max([number for number in range(len(kinds)) if kinds[number] == "code"])
    assert len(kinds) > last + 1
    for screen in display.screens[last + 1 :]:
        assert (
            code not in (screen.user_code, screen.message, screen.advice)
            and screen.verification_uri_complete is None
        )
