"""The simulated device: its power, disk and clock, and the processes on it."""

import errno
from bisect import bisect_left
from random import Random
from typing import TYPE_CHECKING, Any

from .clock import RIGHT, DeviceClock
from .disk import Disk
from .logs import Logs
from .process import RUN, Process
from .schedule import PowerCut, ProcessLoop
from .system_calls import SystemCalls, store_module
from .weather import MINUTE_MS, SECOND_MS

if TYPE_CHECKING:
    from .world import World

_WAITS_FOR_A_STOP_MS = 20 * SECOND_MS
# A supervisor starts an agent again that has ended.
_RESTARTS_AFTER_MS = 10 * SECOND_MS

# How disks fail: which calls, and with what.
_FAILURES = (
    ("full", ("open", "write"), errno.ENOSPC),
    ("read-only", ("open", "rename", "unlink", "write"), errno.EROFS),
    ("failing to sync", ("fsync",), errno.EIO),
    ("failing to read", ("read",), errno.EIO),
)


class Device:
    """`powered`; `agent`: the process of `pairlet run`, if there is one."""

    def __init__(self, world: "World", chance: Random):
        self._world = world
        self._chance = chance
        self.disk = Disk()
        self.outbox_disk = Disk()  # another folder: what is safe in one says nothing of the other
        self._calls = SystemCalls(self.disk, self._before_call, self._after_call, self._replaced)
        self._store = store_module(self._calls, chance)
        self.powered = False
        self.processes: list[Process] = []
        self.clock = DeviceClock("", True, 0, RIGHT)
        self.slowest_ppm = self.fastest_ppm = RIGHT
        self.broke_at: list[int] = []
        self.frozen_until = 0
        self._boots = 0
        self._cut_after: int | None = None
        self._failure: tuple[str, tuple[str, ...], int] | None = None

    @property
    def agent(self) -> "Process | None":
        """The living process of `pairlet run`, or None."""
        for process in self.processes:
            if process.command == RUN:
                return process
        return None

    def now(self) -> int:
        """What its clock says (ms since boot)."""
        return self.clock.now(self._world.schedule.now)

    def new_store(self, folder: str) -> Any:
        """The agent's own store on this disk, opened by the process that runs now."""
        store = self._store.FileStore(folder)
        store.is_shared = self._world.era.is_shared
        return store

    def new_logs(self, process: Process) -> Logs:
        """The logs of the outbox, for `process`."""
        witness = self._world.outbox
        return Logs(self.outbox_disk, process.loop, self._before_call, witness.kept, witness.opened)

    # ---- power ----

    def power_on(self) -> None:
        """Boot, and start the agent as a service."""
        world = self._world
        if self.powered:
            return
        self.powered = True
        self._boots += 1
        self._cut_after = None
        era = world.era
        boot_id = "" if era.is_board else f"boot-{self._boots}"
        self.clock = DeviceClock(boot_id, era.has_rtc, world.schedule.now, era.ppm)
        self.slowest_ppm = self.fastest_ppm = era.ppm
        if not era.has_rtc:
            # Linux begins at the hour at which it was last shut down, or built.
            self.clock.wall_offset_s = -self._chance.randint(0, 400 * 86400)
            world.after(self._chance.randint(1, 90) * SECOND_MS, self._synchronise, self._boots)
        world.note("device", "boots")
        world.booted()
        self.start(RUN)

    def _synchronise(self, boot: int) -> None:
        if boot == self._boots:
            if self._world.network.until > self._world.schedule.now:
                self._world.after(17 * MINUTE_MS, self._synchronise, boot)
            else:
                self.clock.set_right()

    def reboot(self) -> None:
        """Shut down in good order and boot."""
        for process in list(self.processes):
            self._lose(process)
        self._world.broker_loses()  # of one that was started again meanwhile
        self.disk.sync_all()
        self.outbox_disk.sync_all()
        self.powered = False
        self.power_on()

    def cut_power(self) -> None:
        """The power is gone, in this very moment. It comes back after a while."""
        world = self._world
        if not self.powered:
            return
        self.powered = False
        lost = self.disk.cut_power(self._chance), self.outbox_disk.cut_power(self._chance)
        world.note("power", "is cut; the disk has lost %s and of the outbox %s", *lost)
        off_ms = int(SECOND_MS * (6 * 60 * MINUTE_MS / SECOND_MS) ** self._chance.random())
        world.trouble("power", world.schedule.now + off_ms)
        self.broke_at.append(world.schedule.now)
        world.tokens.broke()
        for process in list(self.processes):
            self._lose(process)
        world.broker_loses()
        world.disk_settled()
        world.after(off_ms, self.power_on)

    def broke_between(self, since: int, until: int) -> bool:
        """Whether power, a process or the disk failed from `since` to `until` (ms)."""
        index = bisect_left(self.broke_at, since)
        return index < len(self.broke_at) and self.broke_at[index] <= until

    def broke_since(self, since: int) -> bool:
        """Whether power, a process or the disk failed since then."""
        return self.broke_between(since, self._world.schedule.now) or self._world.tokens.disk_refuses

    # ---- processes ----

    def start(self, command: str) -> None:
        """Start a process."""
        if self.powered and not (command == RUN and self.agent is not None):
            process = Process(command, self._world)
            self.processes.append(process)
            self._world.began(process)

    def start_again(self) -> None:
        """What a supervisor does with an agent that has ended."""
        self._world.after(_RESTARTS_AFTER_MS, self.start, RUN)

    def _lose(self, process: Process) -> None:
        """The process is no more, from this moment on."""
        process.loop.die()
        if process.command == RUN:
            self._world.outbox.dies()
        self.processes.remove(process)
        self._calls.forget(process.loop)
        self._world.gone(process)
        # Not from within one of its own steps.
        self._world.schedule.soon(None, process.loop.bury, ())

    def kill(self, process: Process) -> None:
        """SIGKILL. What it had written is in the system's memory and stays."""
        if process in self.processes:
            self._world.note("device", "%s is killed", process.words())
            self.broke_at.append(self._world.schedule.now)
            self._world.tokens.broke()
            self._world.trouble("kill", self._world.schedule.now + _RESTARTS_AFTER_MS)
            self._lose(process)
            self._world.broker_loses()
            if process.command == RUN:
                self.start_again()

    def stop(self, process: Process) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        if process in self.processes and process.stopping is None:
            self._world.note("device", "%s is asked to stop", process.words())
            process.stop()
            self._world.after(_WAITS_FOR_A_STOP_MS, self._enforce, process)

    def _enforce(self, process: Process) -> None:
        if process in self.processes:
            assert process.stopping is not None
            if process.loop.frozen_until <= process.stopping:
                self._world.not_stopped(process)
            self.kill(process)

    def ended(self, process: Process) -> None:
        """A process has come to its own end."""
        if process in self.processes:
            self._lose(process)

    def freeze(self, until: int) -> None:
        """Nothing on the device runs until then: suspended, or starved of a processor."""
        self.frozen_until = max(self.frozen_until, until)
        for process in self.processes:
            process.loop.frozen_until = self.frozen_until

    def run_at(self, ppm: int) -> None:
        """The clock runs at another speed from now on."""
        self.clock.run_at(ppm, self._world.schedule.now)
        self.slowest_ppm, self.fastest_ppm = min(self.slowest_ppm, ppm), max(self.fastest_ppm, ppm)

    # ---- disk ----

    def cut_at_a_system_call(self, after: int) -> None:
        """Cut the power at the system call after so many of the store's."""
        self._cut_after = after

    def fail_disk(self) -> str:
        """The disk fails from now on; returns how."""
        self._failure = self._chance.choice(_FAILURES)
        return self._failure[0]

    def calm_down(self) -> None:
        """Nothing is wrong with the device any more."""
        self._cut_after = None
        self.mend_disk()
        if self.clock.has_rtc or self.clock.is_synchronised:
            self.clock.wall_offset_s = 0

    def mend_disk(self) -> None:
        """The disk is good again."""
        self._failure = None

    def _before_call(self, call: str, changes: bool) -> ProcessLoop:
        caller = self._world.schedule.running
        assert caller is not None
        if caller.ended:
            raise PowerCut()
        if self._cut_after is None and self._failure is None:
            return caller
        if self._cut_after is not None:
            self._cut_after -= 1
            if self._cut_after < 0:
                self._world.note("power", "about to go, at the system call %s", call)
                self.cut_power()
                raise PowerCut()
        failure = self._failure
        if failure is not None and call in failure[1] and (changes or call == "read"):
            self._world.disk_failed()
            raise OSError(failure[2], failure[0])
        return caller

    def _after_call(self) -> None:
        self._world.disk_settled()

    def _replaced(self, size: int) -> None:
        self._world.writes.replaced(size)
