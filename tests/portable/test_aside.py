"""Messages that no broker takes, kept for a person to look at."""

import asyncio

from model_log import ModelLog
from pairlet.core.aside import Aside
from pairlet.core.errors import StoreError


class Interrupted(ModelLog):
    """A log that calls `meanwhile()` while it writes, and fails once if `fails`."""

    def __init__(self, meanwhile, fails=False):
        super().__init__()
        self.meanwhile = meanwhile
        self.fails = fails

    async def append(self, number, data):
        self.meanwhile()
        if self.fails:
            self.fails = False
            raise StoreError("no room")
        await super().append(number, data)


def lines(log):
    return b"".join([log.read(number, 0, 1 << 16) for number, _ in sorted(log.segments())]).split(b"\n")[:-1]


def test_what_comes_while_it_is_written_is_written_next():
    log = Interrupted(lambda: aside.add(b"late"))
    aside = Aside(log, 4096)
    aside.add(b"early")
    asyncio.run(aside.flush())
    assert lines(log) == [b"early"]
    log.meanwhile = lambda: None
    asyncio.run(aside.flush())
    assert lines(log) == [b"early", b"late"]


def test_what_could_not_be_written_waits_within_bounds():
    log = Interrupted(lambda: aside.add(b"late"), fails=True)
    aside = Aside(log, 4096)
    for number in range(20):
        aside.add(b"%d" % number)
    try:
        asyncio.run(aside.flush())
    except StoreError:
        pass
    log.meanwhile = lambda: None
    asyncio.run(aside.flush())
    assert lines(log) == [b"%d" % number for number in range(5, 20)] + [b"late"]
