"""A device that loses power, and what outlives it: the server with its time, and what is on the disk."""

from fakes import MemoryStore, VirtualClock
from model_server import ModelServer
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall
from test_agent import Rig

# Unix time when everything begins.
EPOCH = 1_750_000_000


class Place:
    """`server` lives on; `boot()` gives a Rig that finds the disk as it was when the last one was cut off."""

    def __init__(self, decide="wait", settings=None, **server):
        self.settings = settings
        self.server = ModelServer(self, decide, **server)
        self.disk = {}
        self.rigs = []
        self._ahead_ms = 0

    def now(self):
        """True time in ms: a device counts from its own start."""
        return self._ahead_ms + self.rigs[-1].clock.now() if self.rigs else self._ahead_ms

    def boot(self, wall=SYNCED, off_ms=0, same_boot=False, behind_s=0, settings=None):
        """The device's next start, `off_ms` after the last.

        `wall`: what its clock knows; FLOOR is `behind_s` behind the truth. `same_boot`: only the program
        starts anew.
        """
        true = self.now() + off_ms
        seconds = None if wall == UNSET else EPOCH + true // 1000 - (behind_s if wall == FLOOR else 0)
        last = self.rigs[-1].clock if self.rigs else None
        name = last.boot_id() if same_boot else f"boot {len(self.rigs)}"
        now = last.now() + off_ms if same_boot else 1000
        clock = VirtualClock(now, Wall(wall, seconds), name)
        rig = Rig(store=MemoryStore(self.disk.copy()), clock=clock, settings=settings or self.settings)
        rig.server = rig.http.answer = self.server
        self.rigs.append(rig)
        self._ahead_ms = true - now
        return rig

    def cut(self, rig, run, at):
        """`run` (a coroutine of `rig`) until its clock says `at`; what is on the disk then is what stays."""

        async def story():
            await rig.clock.sleep_until(at)
            self.disk = rig.store.values.copy()

        rig.run_beside(story(), run)

    def codes(self):
        """How many codes the server was asked for."""
        return self.server.requests.count("/device")


def shown(rig):
    """user_code and expires_in of each "code" event."""
    return [(fields["user_code"], fields["expires_in"]) for event, fields in rig.events if event == "code"]
