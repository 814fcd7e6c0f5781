"""Two processes of one device that pair at the same time: one code, one of them polls."""

import asyncio
import json

from pairlet.core.errors import ConfigError
from pairlet.drive import Patience
from test_agent import MINUTE, Rig, raised

RECORD = "pairing"


class Two:
    """Two processes on one state folder, and one server for both."""

    def __init__(self, decide="wait", settings=None, **server):
        self.first = Rig(decide, settings=settings, **server)
        self.second = Rig(store=self.first.store, clock=self.first.clock, settings=settings)
        self.second.http.answer = self.server = self.first.server
        self.clock = self.first.clock
        self.outcomes = {}

    def run(self, story):
        async def all_of_it():
            await story
            for rig in (self.first, self.second):
                await self.stop(rig)

        self.first.run(all_of_it())

    def start(self, rig, coroutine=None):
        async def watched():
            try:
                self.outcomes[rig] = await (coroutine or rig.agent.pair(Patience(3)))
            except Exception as error:
                self.outcomes[rig] = error

        rig.task = asyncio.create_task(watched())

    async def stop(self, rig):
        if hasattr(rig, "task"):
            rig.task.cancel()
            try:
                await rig.task
            except asyncio.CancelledError:
                pass

    async def until(self, minutes):
        await self.clock.sleep_until(int(minutes * MINUTE))


def test_the_second_shows_the_code_of_the_first_and_asks_nobody():
    two = Two()

    async def story():
        two.start(two.first)
        await two.until(0.5)
        two.start(two.second)
        await two.until(2)
        two.server.decide = "approve"
        await two.until(3)

    two.run(story())
    assert two.second.http.log == [] and two.server.too_fast == 0
    for rig in (two.first, two.second):
        assert rig.names() == ["code", "paired"]
        assert rig.events[0][1]["user_code"] == "WDJB-MJH1"
        assert rig.display.kinds()[-2:] == ["code", "paired"]
        assert two.outcomes[rig].access_token.reveal() == two.server.live_access_token
    assert 570 <= two.second.events[0][1]["expires_in"] <= 572
    left = [screen.remaining_s for screen in two.second.display.screens if screen.kind == "code"]
    assert max([left[index] - left[index + 1] for index in range(len(left) - 1)]) <= 1
    assert left[0] - left[-1] > 80
    assert RECORD not in two.first.store.values


def test_they_begin_in_the_same_moment():
    two = Two("approve")

    async def story():
        two.start(two.first)
        two.start(two.second)
        await two.until(3)

    two.run(story())
    assert two.server.requests.count("/device") == 1 and two.server.too_fast == 0
    assert two.first.names() == ["code", "paired"] == two.second.names()


def test_when_the_first_is_gone_the_second_goes_on_with_its_code_at_its_pace():
    two = Two()

    async def story():
        two.start(two.first)
        await two.until(0.5)
        two.start(two.second)
        await two.until(1)
        # What the system does for a process that was killed.
        await two.stop(two.first)
        await two.until(2)
        two.server.decide = "approve"
        await two.until(3)

    two.run(story())
    assert two.server.requests.count("/device") == 1 and two.server.too_fast == 0
    assert two.second.names() == ["code", "code", "paired"]
    assert [fields.get("user_code") for _, fields in two.second.events[:2]] == ["WDJB-MJH1"] * 2


def test_the_end_of_the_second_is_nothing_to_the_first():
    two = Two()

    async def story():
        two.start(two.first)
        await two.until(0.5)
        two.start(two.second)
        await two.until(1)
        await two.stop(two.second)
        await two.until(1.1)
        assert RECORD in two.first.store.values
        two.server.decide = "approve"
        await two.until(3)

    two.run(story())
    assert two.first.names() == ["code", "paired"] and two.server.too_fast == 0


def test_a_code_that_runs_out_ends_both():
    two = Two(code_s=60)

    async def story():
        two.start(two.first)
        await two.until(0.2)
        two.start(two.second)
        await two.until(3)

    two.run(story())
    for rig in (two.first, two.second):
        assert rig.names() == ["code", "expired"] and two.outcomes[rig].exit_code == 4
    assert two.server.requests.count("/device") == 1


def test_the_second_is_told_when_the_first_was_declined():
    two = Two()

    async def story():
        two.start(two.first)
        await two.until(0.2)
        two.start(two.second)
        await two.until(0.5)
        two.server.decide = "deny"
        await two.until(2)

    two.run(story())
    assert two.outcomes[two.first].exit_code == 3
    assert two.outcomes[two.second].exit_code == 6 and "other process" in str(two.outcomes[two.second])
    assert two.server.requests.count("/device") == 1 and two.second.http.log == []


def test_pair_beside_run():
    for decide in ("approve", "wait"):
        two = Two(settings={"pairing": {"codes": 2}}, code_s=120)

        async def story(two=two, decide=decide):
            two.start(two.first, two.first.agent.run())
            await two.until(0.5)
            two.start(two.second)
            await two.until(1)
            two.server.decide = decide
            await two.until(10)

        two.run(story())
        assert two.server.too_fast == 0
        if decide == "approve":
            assert two.first.names() == ["code", "paired"] == two.second.names()
        else:
            assert two.second.names() == ["code", "expired"]
            assert two.first.names() == ["code", "expired", "code", "expired"]


def test_run_beside_pair():
    """The agent shows on its display what the command has asked for, and is paired with it."""
    two = Two(settings={"pairing": {"start": "prompt"}})

    async def story():
        two.start(two.first)
        await two.until(0.5)
        two.start(two.second, two.second.agent.run())
        await two.until(1)
        assert two.second.display.screens[-1].user_code == "WDJB-MJH1"
        two.server.decide = "approve"
        await two.until(3)
        assert two.second.agent.keeper.token is not None
        assert two.second.display.kinds()[-1] == "running"

    two.run(story())
    assert two.second.names() == ["code", "paired"] and two.second.http.log == []


def test_a_new_pairing_of_a_paired_device_is_followed_to_its_end():
    two = Two("approve")
    two.first.run(two.first.agent.pair(Patience(3)))
    old = two.server.live_access_token
    two.server.decide = "wait"

    async def story():
        two.start(two.first)
        await two.until(1)
        two.start(two.second)
        await two.until(2)
        assert two.second not in two.outcomes
        two.server.decide = "approve"
        await two.until(3)

    two.run(story())
    assert two.outcomes[two.second].access_token.reveal() == two.server.live_access_token != old


def test_a_new_pairing_that_is_declined_is_not_told_as_the_old_one():
    two = Two("approve")
    two.first.run(two.first.agent.pair(Patience(3)))
    two.server.decide = "wait"

    async def story():
        two.start(two.first)
        await two.until(1)
        two.start(two.second)
        await two.until(2)
        two.server.decide = "deny"
        await two.until(3)

    two.run(story())
    assert two.outcomes[two.first].exit_code == 3 and two.outcomes[two.second].exit_code == 6
    assert two.second.names() == ["code"]


def test_a_prompted_agent_asks_for_no_code_when_the_other_process_goes_before_it_has_one():
    two = Two(settings={"pairing": {"start": "prompt"}})

    async def story():
        assert two.first.store.claim(RECORD)
        two.start(two.second, two.second.agent.run())
        await two.until(0.5)
        two.first.store.release(RECORD)
        await two.until(5)
        assert two.second.display.screens[-1].kind == "unpaired"

    two.run(story())
    assert two.server.requests == [] and two.second.names() == ["error"]


def test_another_account_is_told_so():
    two = Two()
    other = Rig(store=two.first.store, clock=two.clock, settings={"oauth": {"issuer": "https://other.test"}})

    async def story():
        two.start(two.first)
        await two.until(0.5)
        two.start(other)
        await two.until(1)
        two.server.decide = "approve"
        await two.until(2)

    two.run(story())
    assert isinstance(two.outcomes[other], ConfigError) and other.http.log == []
    assert other.names() == [] and "code" not in other.display.kinds()
    assert two.first.names() == ["code", "paired"]


def test_an_unpairing_beside_a_pairing_leaves_its_code_alone():
    two = Two()

    async def story():
        two.start(two.first)
        await two.until(0.5)
        await two.second.agent.unpair(Patience(1))
        assert json.loads(two.first.store.values[RECORD])["user_code"] == "WDJB-MJH1"
        two.server.decide = "approve"
        await two.until(1)

    two.run(story())
    assert two.first.names() == ["code", "paired"]


def test_a_record_that_can_not_be_read_is_left_to_the_first():
    two = Two()

    async def story():
        two.start(two.first)
        await two.until(0.5)
        two.first.store.values[RECORD] = b"{"
        two.start(two.second)
        await two.until(1)
        assert two.second.display.kinds() == ["starting"]
        two.server.decide = "approve"
        await two.until(2)

    two.run(story())
    assert list(two.first.store.values) == ["token"] and two.second.names() == ["paired"]


def test_a_command_alone_does_not_follow():
    rig = Rig("wait", code_s=60)
    assert raised(rig.run, rig.agent.pair(Patience(3))).exit_code == 4
    assert rig.store.claim(RECORD), "the claim was not given back"
