"""Faults beyond the network, at the moments that matter: around an exchange with the server."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from .clock import RIGHT
from .http_port import Exchange
from .network import Fate
from .process import RUN, TOKEN, UNPAIR
from .weather import CALM, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from .world import World

# A power cut or a kill may also come in the moments after the answer, when it is kept.
_AFTERWARDS_MS = 40
_LAST_SYSTEM_CALL = 30


class Strikes:
    """Draws what else happens at an exchange, by the storm that is on."""

    def __init__(self, world: "World", chance: Random):
        self._world = world
        self._chance = chance
        self._exchanges = 0
        self._kinds: list[tuple[str, Callable[[Exchange, int], None]]] = [
            ("at_power", self._power),
            ("at_kill", self._kill),
            ("at_stop", self._stop),
            ("at_disk", self._disk),
            ("at_wall", self._wall),
            ("at_freeze", self._freeze),
            ("at_speed", self._speed),
            ("at_slow_down", self._slow_down),
            ("at_server", self._server),
            ("at_revocation", self._revocation),
            ("at_other_process", self._other_process),
        ]

    def at(self, exchange: Exchange, fate: Fate) -> None:
        """`exchange` begins and will take as long as `fate` says."""
        storm, chance = self._world.storm, self._chance
        if storm is CALM:
            return
        self._exchanges += 1
        if self._exchanges >= storm.exchanges:
            self._exchanges = 0
            self._world.storm_ends()
            return
        within_ms = int(chance.random() * (fate.up_ms + fate.down_ms + _AFTERWARDS_MS))
        for name, strike in self._kinds:
            likely = getattr(storm, name)
            if likely and chance.random() < likely:
                strike(exchange, within_ms)

    def _power(self, exchange: Exchange, within_ms: int) -> None:
        device = self._world.device
        if self._chance.random() < 0.6:
            device.cut_at_a_system_call(self._chance.randrange(_LAST_SYSTEM_CALL))
        else:
            self._world.after(within_ms, device.cut_power)

    def _kill(self, exchange: Exchange, within_ms: int) -> None:
        self._world.after(within_ms, self._world.device.kill, exchange.process)

    def _stop(self, exchange: Exchange, within_ms: int) -> None:
        process = exchange.process
        if process.command != RUN:
            return
        if process.mqtt is not None and self._chance.random() < 0.3:
            self._world.after(within_ms, process.mqtt.go_silent)
        self._world.after(within_ms, self._world.device.stop, process)

    def _disk(self, exchange: Exchange, within_ms: int) -> None:
        world = self._world
        lasts_ms = self._spread(SECOND_MS, 2 * HOUR_MS)
        world.note("disk", "is %s for %d s", world.device.fail_disk(), lasts_ms // 1000)
        world.trouble("disk", world.schedule.now + lasts_ms)
        world.after(lasts_ms, world.device.mend_disk)

    def _wall(self, exchange: Exchange, within_ms: int) -> None:
        """The calendar is set to something else, by hours or by years, either way."""
        clock, now = self._world.device.clock, self._world.schedule.now
        if not clock.has_rtc and not clock.is_synchronised:
            return
        clock.wall_offset_s = self._chance.choice((-1, 1)) * self._spread(1, 10 * 365 * DAY_MS) // 1000
        self._world.note("device", "its calendar jumps by %d s", clock.wall_offset_s)
        self._world.trouble("wall clock", now)

    def _freeze(self, exchange: Exchange, within_ms: int) -> None:
        world = self._world
        lasts_ms = self._spread(SECOND_MS, 12 * HOUR_MS)
        world.after(within_ms, self._freeze_now, lasts_ms)

    def _freeze_now(self, lasts_ms: int) -> None:
        world = self._world
        until = world.schedule.now + lasts_ms
        world.note("device", "stands still for %d s", lasts_ms // 1000)
        world.trouble("freeze", until)
        world.device.freeze(until)
        world.polls.frozen()
        world.link.frozen()
        if lasts_ms > 90 * SECOND_MS:
            world.after(90 * SECOND_MS, world.broker_loses)

    def _speed(self, exchange: Exchange, within_ms: int) -> None:
        world = self._world
        ppm = self._chance.choice((RIGHT - 50_000, RIGHT, RIGHT + 50_000, RIGHT + 300_000))
        world.note("device", "its clock runs at %.2f from here on", ppm / RIGHT)
        world.trouble("speed", world.schedule.now)
        world.device.run_at(ppm)

    def _slow_down(self, exchange: Exchange, within_ms: int) -> None:
        self._world.server.storm = self._chance.randint(1, 8)
        self._world.trouble("slow_down", self._world.schedule.now)

    def _server(self, exchange: Exchange, within_ms: int) -> None:
        """The server goes down and comes back, perhaps without what it had in memory only."""
        world = self._world
        if self._chance.random() < 0.5:
            # Its last transaction was not on its disk.
            world.after(within_ms + self._chance.randrange(5000), world.server.grants.forget_last_rotation)
        lasts_ms = self._spread(SECOND_MS, HOUR_MS)
        world.note("server", "is down for %d s", lasts_ms // 1000)
        world.network.break_down(
            self._chance.choice(("no_route", "gateway", "silence")), world.schedule.now + lasts_ms
        )
        world.trouble("server restart", world.schedule.now + lasts_ms)
        if self._chance.random() < 0.5:
            world.server.forget_codes()

    def _revocation(self, exchange: Exchange, within_ms: int) -> None:
        world = self._world
        if world.era.is_shared and self._chance.random() < 0.5:
            world.after(within_ms + MINUTE_MS, world.device.start, UNPAIR)
        elif world.server.grants.end_all("revoked by the person"):
            world.note("person", "removes the device on the server's page")

    def _other_process(self, exchange: Exchange, within_ms: int) -> None:
        """Somebody's script wants a token in the same moment."""
        if exchange.process.command == RUN and self._world.era.is_shared:
            for _ in range(self._chance.randint(1, 3)):
                self._world.after(int(self._chance.random() * 3 * within_ms), self._world.device.start, TOKEN)

    def _spread(self, least: int, most: int) -> int:
        return int(least * (most / least) ** self._chance.random())
