"""The way to a broker through the fault proxy, and the recorder that says what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pairlet_sim.faultproxy import FaultProxy
from support.processes import until
from support.recorder import Recorder
from support.thread_loop import ThreadLoop, kept_open


class SpoiltLine:
    """Listens at `port`; what arrives on `topic` decides when a fault is over."""

    def __init__(self, proxy: FaultProxy, loop: ThreadLoop, seen: Recorder, topic: str):
        self._proxy, self._loop = proxy, loop
        self.seen, self.topic, self.port = seen, topic, proxy.port

    def obey(self, words: str) -> None:
        """Spoil it, or mend it."""
        self._loop.call(self._proxy.obey, words)

    def spoil(self, words: str, times: int = 1) -> None:
        """Until the device has tried anew so many times; then all is well again."""
        with self.hurts(times):
            self.obey(words)
        self.obey("pass")
        self.progress(100)

    @contextmanager
    def hurts(self, times: int = 1) -> Iterator[None]:
        """What the block begins goes on until the device has made so many new connections."""
        before = self._proxy.accepted
        yield
        until(lambda: self._proxy.accepted >= before + times, "the device to try anew")

    def hold(self, count: int) -> None:
        """Hold back PUBACKs until there are so many.

        On a new connection nothing follows a greeting that is not acknowledged: should the device make one
        just then, it gets its greeting through first.
        """
        while True:
            before = self._proxy.accepted
            self.obey("hold-pubacks")
            until(
                lambda before=before: self._proxy.down.held >= count or self._proxy.accepted > before + 1,
                f"{count} PUBACKs, or a device that tries anew",
                120,
            )
            if self._proxy.down.held >= count:
                return
            self.obey("pass")
            self.progress(1)

    def progress(self, count: int) -> None:
        """Wait until so many more samples have arrived."""
        self.seen.wait_for_count(self.topic, self.seen.count(self.topic) + count)


@contextmanager
def spoilt_line(port: int, seen: Recorder, topic: str) -> Iterator[SpoiltLine]:
    """A line to the broker at `port`, without faults so far."""
    with kept_open(lambda: FaultProxy(("127.0.0.1", port)), "faultproxy") as (proxy, loop):
        yield SpoiltLine(proxy, loop, seen, topic)
