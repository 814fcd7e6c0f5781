"""One simulated life: a device, its cloud and its people, on one schedule, under the eyes of the rules."""

import contextlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from pairlet.config import Config
from pairlet.core.screen import CODE, Screen

from .device import Device
from .http_port import Exchange
from .model.authorization_server import ISSUER, AuthorizationServer
from .model.broker import CONNECTION_LOST, Broker
from .model.grants import Rotation
from .model.person import Person
from .network import Fate, Network
from .process import RUN, UNPAIR, Process, describe_error
from .rules.link import LinkWitness
from .rules.outbox import OutboxWitness
from .rules.polling import PollWitness, retry_after_ms
from .rules.tokens import TokenWitness
from .rules.wellbeing import judge_wellbeing, stops_in_time
from .rules.wire import WireWitness, raises_only_typed_errors
from .rules.writes import WriteWitness
from .schedule import Schedule, Spinning
from .strikes import Strikes
from .tally import Tally
from .timeline import Timeline
from .weather import CALM, NOTHING, SETTLED_MS, Era, draw_era

_AFTERMATH_MS = 150_000
_PERSON_COMES_BACK_MS = 60_000


class World:
    """What the parts know of each other. `broken`: (rule, words) of the first rule that was broken, or None.

    `seed`: what all chance comes from. `years`: how long to live. `remember`: how much of the timeline.
    `given`: what is not left to chance, see draw_era.
    """

    def __init__(self, seed: int, years: float, remember: int, given: Mapping[str, object] = NOTHING):
        self.seed = seed
        self.years = years
        self.broken: tuple[str, str] | None = None
        self.schedule = Schedule()
        self.timeline = Timeline(self.schedule, remember)
        self.note = self.timeline.note
        self.tally = Tally()
        # One stream of chance for each concern: what one draws does not move the others.
        self.chance = Random(f"{seed} broker")
        self.entropy = Random(f"{seed} entropy")
        self._fate = Random(f"{seed} eras")
        self._given = given
        self.era: Era = draw_era(self._fate, given)
        self.storm = self.era.storm
        self._buffer_bytes = 0
        self.calm_since = 0
        self.is_calm = False
        self.asked_to_unpair = False
        self.screen: Screen | None = None
        self.wants_button = False
        self._broker_is_back = 0
        self._troubles: list[tuple[int, int]] = []
        self._build(seed)

    def _build(self, seed: int) -> None:
        self.network = Network(Random(f"{seed} network"))
        self.server = AuthorizationServer(self.era.policy, self._noting("server"))
        self.broker = Broker(
            self.server.grants.is_good, self._received, self._mourned, self._noting("broker")
        )
        self.device = Device(self, Random(f"{seed} device"))
        self.person = Person(
            self.server, lambda: self.schedule.now, self.after, self._press, Random(f"{seed} people"),
            self._noting("person"),
        )  # fmt: skip
        self.strikes = Strikes(self, Random(f"{seed} strikes"))
        self.polls = PollWitness(self)
        self.tokens = TokenWitness(self)
        self.link = LinkWitness(self)
        self.outbox = OutboxWitness(self)
        self.wire = WireWitness(self)
        self.writes = WriteWitness(self)

    def _noting(self, who: str) -> Callable[..., None]:
        return lambda words, *arguments: self.note(who, words, *arguments)

    # ---- time ----

    def live(self) -> None:
        """Go through eras until the years are over or a rule is broken."""
        end = int(self.years * 365 * 86_400_000)
        try:
            while self.schedule.now < end and self.broken is None:
                self._live_era(end)
            if self.broken is None:
                self.tokens.finish()
                self.link.finish()
        except Spinning as error:
            self.fail("waits_between_turns", str(error))
        finally:
            self._leave()

    def _leave(self) -> None:
        for process in self.device.processes:
            process.loop.die()
            with contextlib.suppress(Spinning):
                process.loop.bury()
        self.schedule.leave()
        self.tally.device_ms = self.schedule.now
        self.tally.counts["writes"] = self.writes.writes

    def _live_era(self, end: int) -> None:
        era = self.era
        self._begin_era(era)
        self.schedule.run_until(min(self.schedule.now + era.storm_ms, end))
        # What has been set going still happens, and who stands still meets the calm when it moves again.
        self.storm_ends()
        self.schedule.run_until(min(max(self.device.frozen_until, self.schedule.now + _AFTERMATH_MS), end))
        self._calm_down()
        begun = self.schedule.now
        settled = begun + SETTLED_MS
        if settled < end and self.broken is None:
            self.schedule.run_until(settled)
            self._judge_wellbeing()
            self.link.settled()
            self.schedule.run_until(min(begun + era.calm_ms, end))
            self._judge_wellbeing()
        self.era = draw_era(self._fate, self._given)

    def _judge_wellbeing(self) -> None:
        if self.broken is None:
            judge_wellbeing(self)

    def _begin_era(self, era: Era) -> None:
        self.note("weather", "a new era: %s", era)
        self.tally.counts["eras"] += 1
        self.is_calm = False
        self.server.change(era.policy)
        self.wire.new_server()
        self.link.new_server()
        if era.buffer_bytes < self._buffer_bytes:
            self.outbox.has_less_room()
        self._buffer_bytes = era.buffer_bytes
        self.config = _config(era)
        agent = self.device.agent
        if agent is not None:
            # New settings, and perhaps another kind of clock, take a new start.
            self.device.stop(agent)
        self.after(21_000, self.device.reboot)
        self.after(22_000, self._storm_begins)

    def _storm_begins(self) -> None:
        self.storm = self.network.storm = self.era.storm
        if self.storm.broker_is_down_ms:
            self._broker_is_back = self.schedule.now + self.storm.broker_is_down_ms
            self.trouble("the broker is down", self._broker_is_back)
            self.broker.end(CONNECTION_LOST)

    def storm_ends(self) -> None:
        """No new faults from now on."""
        self.storm = self.network.storm = CALM

    def _calm_down(self) -> None:
        self.note("weather", "calm from here on")
        self.network.calm()
        self._broker_is_back = 0
        self.server.storm = 0
        self.device.calm_down()
        self.calm_since = self.schedule.now
        self.is_calm = True
        self.device.power_on()
        self.device.start(RUN)

    def after(self, delay_ms: int, callback: Callable[..., object], *arguments: Any) -> None:
        """Let the world call `callback` in `delay_ms`."""
        self.schedule.at(self.schedule.now + delay_ms, None, callback, *arguments)

    # ---- rules ----

    def judge(self, rule: Callable[..., str], *arguments: object) -> None:
        """Ask a rule."""
        words = rule(*arguments)
        if words:
            self.fail(rule.__name__, words)

    def fail(self, rule: str, words: str) -> None:
        """A rule is broken: this is where the life ends."""
        if self.broken is None:
            self.broken = rule, words
            self.note("RULE", "%s: %s", rule, words)
            self.schedule.halted = True

    # ---- trouble ----

    def trouble(self, name: str, until: int) -> None:
        """Something is wrong until then (`name` "": of that kind once more)."""
        if name:
            self.tally.troubles[name] += 1
        self._troubles.append((self.schedule.now, until))
        if len(self._troubles) > 2000:
            del self._troubles[:1000]

    def quiet_ms(self, since: int, until: int) -> int:
        """The longest time without any trouble between both."""
        longest, quiet_from = 0, since
        for begins, ends in self._troubles:
            longest = max(longest, min(begins, until) - quiet_from)
            quiet_from = max(quiet_from, ends)
        return max(longest, min(until, self.schedule.now) - quiet_from)

    def strike(self, exchange: Exchange, fate: Fate) -> None:
        """More than the network may go wrong at an exchange."""
        self.strikes.at(exchange, fate)

    def broker_is_down(self) -> bool:
        """Whether nobody can reach the broker: a storm may begin so."""
        return self.schedule.now < self._broker_is_back

    def broker_loses(self) -> None:
        """The device is gone from the network, and the broker notices."""
        session = self.broker.session
        if session is not None:
            self.broker.end(CONNECTION_LOST)

    # ---- what the device does ----

    def sent(self, exchange: Exchange) -> None:
        """A request leaves."""
        self.tally.counts[exchange.kind] += 1
        self.note(exchange.process.words(), "sends %s %s", exchange.kind, exchange.body.decode())
        self.wire.sent(exchange)
        self.polls.sent(exchange)
        self.tokens.sent(exchange)
        self.writes.exchanged()

    def answered(self, exchange: Exchange) -> None:
        """An answer arrives, or the news that there is none."""
        answer = exchange.answer
        wait_ms = retry_after_ms(exchange)
        if wait_ms:
            self.trouble("", self.schedule.now + wait_ms)
        self.note(
            "network", "%s", "brings no answer" if answer is None else (answer.status, answer.body[:120])
        )
        self.polls.answered(exchange)
        self.tokens.answered(exchange)
        self.wire.answered(exchange)

    def abandoned(self, exchange: Exchange) -> None:
        """The device no longer waits for an answer."""
        self.note(exchange.process.words(), "waits no longer for its answer")
        self.tokens.abandoned(exchange)

    def rotated(self, rotation: Rotation) -> None:
        """The server has replaced a refresh token."""
        self.tally.counts["rotations"] += 1

    def heard(self, process: Process, event: str, fields: dict[str, object]) -> None:
        """The agent tells of something."""
        self.tally.counts["event " + event] += 1
        self.note(process.words(), "tells: %s %s", event, fields)
        self.wire.heard(event, fields)
        self.polls.heard(event)
        self.tokens.heard(event, fields)
        if process.command == RUN:
            self.link.heard(process, event, fields)

    def shown(self, process: Process, screen: Screen) -> None:
        """The agent shows a screen."""
        self.screen = screen
        self.wire.shown(screen)
        self.wants_button = "button" in screen.advice
        if screen.kind == CODE:
            self.person.see_code(screen.user_code)
        elif self.wants_button:
            self.person.see_that_a_button_is_wanted()

    def _press(self) -> None:
        agent = self.device.agent
        if agent is not None:
            self.polls.attended()
            agent.button.press()
        elif self.device.powered:
            self.after(_PERSON_COMES_BACK_MS, self._press)

    def _received(self, topic: str, payload: bytes) -> None:
        self.tally.counts["messages"] += 1
        self.outbox.arrived(topic, payload)

    def _mourned(self, password: str, reason: str) -> None:
        self.link.mourned(password, reason)

    def taken(self, process: Process, seq: int) -> None:
        """The agent measures: its sample gets the number `seq`."""
        self.link.taken(process, seq)
        self.outbox.taken(seq)

    def unheard(self, message: str, error: "BaseException | None") -> None:
        """asyncio complains: an exception that nobody took."""
        self.fail(raises_only_typed_errors.__name__, f"{message}: {error!r}")

    # ---- what becomes of its processes ----

    def booted(self) -> None:
        """The device starts."""
        self.tally.counts["boots"] += 1
        self.polls.boots()

    def began(self, process: Process) -> None:
        """A process starts."""
        self.note("device", "pairlet %s starts", process.command)
        self.tally.counts["starts"] += 1
        self.tokens.begins(process)
        self.writes.begins(process)
        if process.command == RUN:
            self.polls.begins(process)
            self.link.begins(process)
            self.outbox.begins(process)
        self.asked_to_unpair = self.asked_to_unpair or process.command == UNPAIR

    def gone(self, process: Process) -> None:
        """A process is no more."""
        self.tokens.ends(process)
        self.wire.gone(process)

    def exited(self, process: Process, error: "BaseException | None") -> None:
        """A process has come to its own end."""
        self.note(process.words(), "%s", describe_error(error))
        self.judge(raises_only_typed_errors, error)
        if process.command == RUN:
            self.outbox.stopped(error)
        self.device.ended(process)
        if process.command == RUN:
            self.tally.counts["ends of the agent"] += 1
            self.device.start_again()

    def not_stopped(self, process: Process) -> None:
        """It was asked to stop and has not."""
        assert process.stopping is not None
        self.judge(stops_in_time, self.schedule.now - process.stopping)

    def disk_failed(self) -> None:
        """The disk refuses something."""
        self.tokens.disk_fails()
        self.device.broke_at.append(self.schedule.now)
        self.writes.disk_fails()
        self.outbox.disk_fails()

    def disk_settled(self) -> None:
        """What a power cut would leave may have changed."""
        self.tokens.saved(self.device.disk.settled("token"))


def _config(era: Era) -> Config:
    return Config.from_tables(
        {
            "oauth": {"issuer": ISSUER, "client_id": "tv", "scope": "telemetry"},
            "telemetry": {"interval": f"{era.sample_ms or 10_000}ms", "buffer_bytes": era.buffer_bytes},
            "pairing": {"codes": era.codes, "start": "prompt" if era.prompts else "always"},
        },
        "the simulation",
    )
