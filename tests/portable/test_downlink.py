"""Commands from the broker to a whole agent, in virtual time, on both interpreters."""

import asyncio
import json

from fakes import MemoryBroker, MemoryStore
from pairlet.core.command_error import CommandError
from pairlet.core.mqtt import Message
from pairlet.ordering import RestartError
from test_agent import MINUTE, Rig, telemetry_of

ALL = ["ping", "report-now", "set-interval", "re-pair", "unpair", "restart"]
# Longer than what may have waited at the broker takes to come.
SETTLED_MS = 15000


class Doors:
    """The port Handlers: one command that takes its time, one that fails."""

    def __init__(self):
        self.opened = []
        self.may_go_on = asyncio.Event()

    def names(self):
        return ["open-door", "fail", "hang"]

    async def call(self, name, arguments):
        if name == "fail":
            raise CommandError("door_blocked", "something is in the way")
        if name == "hang":
            await self.may_go_on.wait()
        self.opened.append(arguments)
        return {"opened": True}


class Scene(Rig):
    """A paired agent, a broker that brings commands, and what is replied."""

    def __init__(self, allow=ALL, handlers=None, **more):
        settings = {"commands": {"allow": allow}, "telemetry": {"interval": "10s"}}
        for table, keys in more.pop("settings", {}).items():
            settings.setdefault(table, {}).update(keys)
        super().__init__(broker=MemoryBroker(), settings=settings, **more)
        self.agent.handlers = handlers
        self.read = 0

    def bring(self, topic_name, payload, retain=False):
        """Somebody publishes what the device has subscribed to."""
        self.broker.deliver(Message(topic_name, payload, 1, retain))

    def send(self, name, payload, **more):
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        self.bring("devices/d1/cmd/" + name, payload, **more)

    def replies(self):
        """What was replied since last asked, as (name, members)."""
        start = "devices/d1/reply/"
        found = []
        for entry in self.broker.journal[self.read :]:
            if entry[0] == "publish" and entry[1].startswith(start):
                found.append((entry[1][len(start) :], json.loads(entry[2])))
        self.read = len(self.broker.journal)
        return found

    async def pause(self, milliseconds):
        await self.clock.sleep_until(self.clock.now() + milliseconds)

    async def connected(self):
        """Until the agent has been connected for so long that nothing counts as late."""
        while not self.broker.connected:
            await self.pause(100)
        await self.pause(SETTLED_MS)

    async def ask(self, name, payload, **more):
        """Send a command; the one reply to it."""
        self.replies()
        self.send(name, payload, **more)
        await self.pause(500)
        replies = self.replies()
        assert len(replies) == 1 and replies[0][0] == name, replies
        return replies[0][1]

    def play(self, story):
        """Run the agent while `story(self)` goes on, from the time when it is connected."""

        async def whole():
            await self.connected()
            await story(self)

        self.run_beside(whole())


def test_ping_is_answered():
    async def story(scene):
        answer = await scene.ask("ping", {"id": "1"})
        assert answer["id"] == "1" and answer["ok"] is True and answer["t"] > 1_700_000_000_000
        assert "id" not in await scene.ask("ping", {})
        assert ("command", {"name": "ping", "id": "1", "ok": True}) in scene.events

    scene = Scene()
    scene.play(story)
    assert scene.broker.subscribed == ["devices/d1/cmd/+"]


def test_nothing_is_subscribed_to_when_nothing_is_allowed():
    async def story(scene):
        pass

    scene = Scene(allow=[])
    scene.play(story)
    assert scene.broker.subscribed == []


def test_what_is_not_allowed_is_refused_and_has_no_effect():
    async def story(scene):
        for name in ("restart", "unpair", "re-pair", "set-interval"):
            answer = await scene.ask(name, {"id": "1", "interval": 1})
            assert (answer["ok"], answer["error"]) == (False, "not_allowed")
        assert (await scene.ask("sudo", {}))["error"] == "unknown_command"
        await scene.pause(MINUTE)
        assert scene.names().count("mqtt_connected") == 1

    Scene(allow=["ping"]).play(story)


def test_bad_bytes_get_an_answer_or_silence_and_nothing_else():
    async def story(scene):
        for payload in (b"{", b"\xff\x00", b"[" * 5000, b"x" * 9000):
            assert (await scene.ask("ping", payload))["ok"] is False
        # Nothing can be answered to what is no name, and an empty payload clears what was retained.
        scene.send("", {})
        scene.send("a b", {})
        scene.send("../ping", {})
        scene.send("ping", b"")
        scene.bring("devices/d1/other", b"{}")
        await scene.pause(500)
        assert scene.replies() == []
        assert (await scene.ask("ping", {}))["ok"] is True

    Scene().play(story)


def test_report_now_measures_at_once():
    async def story(scene):
        before = len(telemetry_of(scene.broker))
        seq = (await scene.ask("report-now", {}))["seq"]
        after = telemetry_of(scene.broker)
        assert after[-1]["seq"] == seq and len(after) == before + 1
        # The others keep their beat.
        await scene.pause(MINUTE)
        assert 6 <= len(telemetry_of(scene.broker)) - len(after) <= 7

    Scene().play(story)


def test_an_interval_counts_at_once_and_after_a_restart():
    async def story(scene):
        assert (await scene.ask("set-interval", {"interval": 600}))["interval"] == 600
        before = len(telemetry_of(scene.broker))
        await scene.pause(9 * MINUTE)
        assert len(telemetry_of(scene.broker)) == before
        # From ten minutes to one second: not after ten minutes.
        assert (await scene.ask("set-interval", {"interval": 1}))["ok"] is True
        await scene.pause(10500)
        assert len(telemetry_of(scene.broker)) - before >= 10

    async def later(scene):
        before = len(telemetry_of(scene.broker))
        await scene.pause(10500)
        assert len(telemetry_of(scene.broker)) - before == 10
        assert (await scene.ask("set-interval", {"interval": None}))["interval"] == 10
        assert "settings" not in scene.store.values

    scene = Scene(token_s=86400)
    scene.play(story)
    Scene(store=MemoryStore(scene.store.values), token_s=86400).play(later)


def test_the_owner_who_changes_the_interval_has_the_last_word():
    async def story(scene):
        await scene.ask("set-interval", {"interval": 1})

    scene = Scene()
    scene.play(story)
    other = Scene(store=MemoryStore(scene.store.values), settings={"telemetry": {"interval": "5s"}})
    assert other.agent.measuring.interval_ms() == 5000
    assert Scene(store=MemoryStore(scene.store.values)).agent.measuring.interval_ms() == 1000


def test_a_disk_that_is_full_costs_the_reply_only():
    async def story(scene):
        scene.store.broken = ("settings", "commands")
        answer = await scene.ask("set-interval", {"interval": 1})
        assert (answer["error"], answer["error_description"]) == ("failed", "the disk is full")
        assert scene.agent.measuring.interval_ms() == 10000
        # What can't be noted is not done: it could be done twice.
        assert (await scene.ask("restart", {"id": "1"}))["error"] == "failed"
        await scene.pause(MINUTE)
        assert scene.broker.connected

    Scene().play(story)


def test_what_comes_twice_runs_once():
    doors = Doors()

    async def story(scene):
        assert await scene.ask("open-door", {"id": "1", "n": 2}) == {"id": "1", "ok": True, "opened": True}
        assert await scene.ask("open-door", {"id": "1", "n": 2}) == {"id": "1", "ok": True, "repeated": True}
        assert doors.opened == [{"n": 2}]
        assert (await scene.ask("fail", {"id": "1"}))["error"] == "door_blocked"
        assert (await scene.ask("fail", {"id": "1"}))["error"] == "door_blocked"
        # Without an id nobody can tell.
        await scene.ask("open-door", {})
        await scene.ask("open-door", {})
        assert len(doors.opened) == 3

    Scene(handlers=doors).play(story)


def test_a_handler_that_hangs_costs_its_own_reply_only():
    doors = Doors()

    async def story(scene):
        scene.send("hang", {"id": "1"})
        scene.send("hang", {"id": "1"})
        await scene.pause(500)
        assert scene.replies() == []
        assert (await scene.ask("hang", {"id": "2"}))["error"] == "busy"
        assert (await scene.ask("ping", {}))["ok"] is True
        assert (await scene.ask("open-door", {}))["ok"] is True
        doors.may_go_on.set()
        await scene.pause(500)
        assert scene.replies() == [("hang", {"id": "1", "ok": True, "opened": True})]
        # What was refused as busy may be sent again.
        assert (await scene.ask("hang", {"id": "2"}))["ok"] is True

    Scene(handlers=doors).play(story)


def test_retained_commands_are_refused():
    async def story(scene):
        answer = await scene.ask("report-now", {"id": "1"}, retain=True)
        assert (answer["id"], answer["error"]) == ("1", "retained")
        assert (await scene.ask("restart", {"id": "1"}, retain=True))["error"] == "retained"
        await scene.pause(MINUTE)
        assert scene.broker.connected

    Scene().play(story)


def restarts(scene):
    """Play until the agent asks for a restart; fails if it does not within the hour."""
    try:
        scene.run(scene.agent.run(), until=scene.clock.now() + 60 * MINUTE)
    except RestartError as error:
        assert error.exit_code == 9
        return True
    return False


def after_connect(scene, name, payload, pause_ms=SETTLED_MS):
    """Bring a command so long after the connection is up, once."""
    deliver = scene.broker.subscribe

    async def subscribe(topic_filter, qos):
        granted = await deliver(topic_filter, qos)
        scene.broker.subscribe = deliver

        async def later():
            await scene.pause(pause_ms)
            scene.send(name, payload)

        asyncio.create_task(later())
        return granted

    scene.broker.subscribe = subscribe


def test_restart_replies_says_offline_and_happens_once_for_one_id():
    scene = Scene()
    after_connect(scene, "restart", {"id": "r1"})
    assert restarts(scene)
    assert scene.replies() == [("restart", {"id": "r1", "ok": True})]
    assert scene.broker.retained["devices/d1/status"] == b"offline"
    # The broker brings it again, or somebody sends it twice.
    again = Scene(store=MemoryStore(scene.store.values))
    after_connect(again, "restart", {"id": "r1"})
    assert not restarts(again)
    assert again.replies()[0] == ("restart", {"id": "r1", "ok": True, "repeated": True})
    other = Scene(store=MemoryStore(scene.store.values))
    after_connect(other, "restart", {"id": "r2"})
    assert restarts(other)


def test_the_list_of_what_ran_is_bounded_and_mended():
    scene = Scene(store=MemoryStore({"commands": b"{broken"}))
    for number in range(20):
        scene = Scene(store=MemoryStore(scene.store.values))
        after_connect(scene, "restart", {"id": str(number)})
        assert restarts(scene)
    done = json.loads(scene.store.values["commands"])["done"]
    assert done == [["restart", str(number)] for number in range(4, 20)]
    assert scene.store.values["commands.corrupt-1"] == b"{broken"


def test_what_may_have_waited_at_the_broker_is_stale():
    scene = Scene()
    after_connect(scene, "restart", {"id": "r1"}, 100)
    assert not restarts(scene)
    assert scene.replies()[0][1]["error"] == "stale"
    # With an end of its own it is known to be in time.
    now = scene.clock.wall().seconds
    scene = Scene(store=MemoryStore(scene.store.values), clock=scene.clock)
    after_connect(scene, "restart", {"id": "r1", "expires": now + 60}, 100)
    assert restarts(scene)


def test_after_a_short_interruption_nothing_is_stale():
    doors = Doors()

    async def story(scene):
        scene.broker.kick()
        while not scene.broker.connected:
            await scene.pause(100)
        await scene.pause(200)
        assert (await scene.ask("open-door", {}))["ok"] is True

    Scene(handlers=doors).play(story)


def test_unpair_revokes_and_waits_as_the_settings_say():
    async def story(scene):
        kept = scene.store.values["token"]
        scene.server.decide = "wait"
        assert (await scene.ask("unpair", {"id": "1"}))["ok"] is True
        await scene.pause(5000)
        assert "token" not in scene.store.values and kept
        assert not scene.broker.connected
        assert [screen.kind for screen in scene.display.screens][-1] == "unpaired"
        assert any(request.url.endswith("/revoke") for _, _, request in scene.http.log)

    Scene(settings={"pairing": {"renew": False}}).play(story)


def test_re_pair_shows_a_code_at_once_and_loses_no_sample():
    async def story(scene):
        scene.server.decide = "wait"
        assert (await scene.ask("re-pair", {"id": "1"}))["ok"] is True
        await scene.pause(5000)
        assert [screen.kind for screen in scene.display.screens][-1] == "code"
        scene.server.decide = "approve"
        await scene.pause(MINUTE)
        numbers = [sample["seq"] for sample in telemetry_of(scene.broker)]
        assert scene.broker.connected and numbers == list(range(len(numbers)))
        # It is said again when it comes again, and nothing happens.
        assert (await scene.ask("re-pair", {"id": "1"}))["repeated"] is True

    Scene(settings={"pairing": {"renew": False}}).play(story)
