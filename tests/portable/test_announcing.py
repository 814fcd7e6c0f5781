"""A whole agent that tells Home Assistant about itself, in virtual time, on both interpreters."""

import json

from fakes import MemoryStore, VirtualClock
from pairlet.core.mqtt import Message
from pairlet.core.wall import FLOOR, Wall
from test_agent import MINUTE
from test_downlink import Scene

TOPIC = "homeassistant/device/d1/config"
FIGURES = "devices/d1/diagnostics"
BIRTH = "homeassistant/status"


class House(Scene):
    """A scene whose agent is to announce itself."""

    def __init__(self, values=None, **more):
        settings = {"homeassistant": {"discovery": True}, "telemetry": {"interval": "10s"}}
        settings.update(more.pop("settings", {}))
        super().__init__(settings=settings, **more)
        self.agent.ports.sensors.values = values or {"cpu_load_percent": 1}

    def told(self, topic_name=TOPIC):
        """What was published there so far, each parsed."""
        return [json.loads(text) for text in self.texts(topic_name)]

    def texts(self, topic_name=TOPIC):
        """The same as it was published."""
        return [entry[2] for entry in self.broker.journal if entry[:2] == ("publish", topic_name)]

    def sensors(self):
        """The values that are entities now, and those that are marked as gone."""
        parts = json.loads(self.broker.retained[TOPIC])["cmps"]
        ours = [name for name in sorted(parts) if not name.startswith("pairlet_")]
        present = [name for name in ours if "uniq_id" in parts[name]]
        return present, [name for name in ours if name not in present]


def test_nothing_is_told_unless_asked_for():
    async def story(scene):
        await scene.pause(10 * MINUTE)

    scene = Scene()
    scene.play(story)
    assert BIRTH not in scene.broker.subscribed and sorted(scene.broker.retained) == ["devices/d1/status"]


def test_the_device_is_told_once_and_stays_retained():
    async def story(house):
        await house.pause(MINUTE)
        house.broker.kick()
        await house.pause(10 * MINUTE)
        house.broker.kick()
        await house.pause(10 * MINUTE)

    house = House(token_s=86400)
    house.play(story)
    assert house.broker.subscribed[:2] == ["devices/d1/cmd/+", BIRTH]
    assert len(house.told()) == 1 and house.sensors() == (["cpu_load_percent"], [])


def test_a_broker_that_hangs_up_on_it_is_left_alone_for_an_hour():
    async def story(house):
        await house.pause(2 * MINUTE)
        house.broker.deliver(Message(BIRTH, b"online", 1, False))
        await house.pause(50 * MINUTE)
        assert house.agent.link.reconnects == 3 and not house.agent.backlog()

    house = House(token_s=86400)
    house.broker.accepts = lambda message: None if "homeassistant" in message.topic_name else 0
    house.play(story)
    assert TOPIC not in house.broker.retained


def test_a_sensor_that_makes_up_names_is_not_followed_for_ever():
    told = []

    async def story(house):
        for number in range(200):
            house.agent.ports.sensors.values = {"thing%d_percent" % number: 1}
            await house.pause(MINUTE // 6)
            told.append(len(house.texts()))

    house = House(token_s=86400)
    house.play(story)
    assert told[60] < told[63] and told[70] == told[-1] and len(house.sensors()[0]) == 64
    assert len(house.told()) == told[-1]


def test_another_prefix_and_another_topic():
    async def story(house):
        pass

    settings = {"homeassistant": {"discovery": True, "prefix": "ha", "status_topic": "ha/birth"}}
    house = House(settings=settings)
    house.play(story)
    assert "ha/birth" in house.broker.subscribed and "ha/device/d1/config" in house.broker.retained
    house = House(settings={"homeassistant": {"discovery": True, "prefix": "ha"}})
    house.play(story)
    assert "ha/status" in house.broker.subscribed


def test_a_birth_is_answered_with_everything_after_a_while():
    async def story(house):
        told = len(house.told())
        samples = len(house.told("devices/d1/telemetry"))
        began = house.clock.now()
        house.bring(BIRTH, b"online")
        while len(house.told()) == told:
            await house.pause(50)
        waited.append(house.clock.now() - began)
        await house.pause(1000)
        assert house.told()[-1] == house.told()[-2] and house.told(FIGURES)
        assert len(house.told("devices/d1/telemetry")) == samples + 1
        # Its farewell, and what was retained before our time, are no births.
        house.bring(BIRTH, b"offline")
        house.bring(BIRTH, b"online", retain=True)
        await house.pause(MINUTE)
        assert len(house.told()) == told + 1

    waited = []
    House(settings={"telemetry": {"interval": "1h"}}).play(story)
    assert 0 <= waited[0] <= 11000


def test_a_birth_while_the_broker_is_away_is_made_up_for():
    async def story(house):
        told = len(house.told())
        house.bring(BIRTH, b"online")
        await house.pause(10)
        house.broker.kick()
        await house.pause(MINUTE)
        assert len(house.told()) == told + 1

    House().play(story)


def test_new_values_are_new_entities():
    async def story(house):
        house.agent.ports.sensors.values = {"cpu_load_percent": 1, "room_celsius": 2, "it's": 3}
        await house.pause(MINUTE)
        assert house.sensors() == (["cpu_load_percent", "room_celsius"], [])

    House().play(story)


def test_a_value_that_is_configured_away_is_gone():
    async def story(house):
        await house.pause(MINUTE)

    first = House({"cpu_load_percent": 1, "old_volts": 2})
    first.play(story)
    assert first.sensors() == (["cpu_load_percent", "old_volts"], [])

    async def later(house):
        # Not all there is can be read at the start.
        assert house.sensors() == (["cpu_load_percent", "old_volts"], [])
        await house.pause(2 * MINUTE)
        assert house.sensors() == (["cpu_load_percent"], ["old_volts"])

    second = House({"cpu_load_percent": 1}, store=MemoryStore(first.store.values))
    second.play(later)
    third = House({"cpu_load_percent": 1, "old_volts": 2}, store=MemoryStore(second.store.values))
    third.play(story)
    assert third.sensors() == (["cpu_load_percent", "old_volts"], [])


def test_what_it_remembers_is_mended_if_it_is_broken():
    async def story(house):
        await house.pause(MINUTE)

    house = House(store=MemoryStore({"homeassistant": b"no json"}))
    house.play(story)
    assert house.sensors() == (["cpu_load_percent"], [])
    assert house.store.values["homeassistant.corrupt-1"] == b"no json"
    for odd in (b'{"names": 1, "gone": [2, null]}', b"{}"):
        house = House(store=MemoryStore({"homeassistant": odd}))
        house.play(story)
        assert house.sensors() == (["cpu_load_percent"], [])


def test_the_figures_are_told_when_they_change():
    async def story(house):
        await house.pause(20 * MINUTE)
        told = house.told(FIGURES)
        assert len(told) >= 3
        assert all(told[index] != told[index + 1] for index in range(len(told) - 1))
        # One for each token, not one for each look at the clock.
        ends = sorted({figures["token_expires_at"] for figures in told})
        assert all(ends[index + 1] - ends[index] > 300 for index in range(len(ends) - 1))
        wall = house.clock.wall().seconds
        assert wall < ends[-1] <= wall + 600

    House(token_s=600).play(story)


def test_without_a_clock_nobody_knows_when_the_token_ends():
    async def story(house):
        assert house.told(FIGURES)[-1]["token_expires_at"] is None

    House(clock=VirtualClock(wall=Wall(FLOOR, 1_750_000_000))).play(story)


def test_what_was_told_just_before_the_connection_broke_is_told_again():
    async def story(house):
        assert len(house.told()) == 1
        house.broker.kick()
        await house.pause(MINUTE)
        assert len(house.told()) == 2

    House().play(story)
