"""Exchanges of the board's Http, one after the other, by whatever interpreter runs this file.

`board_exchanges.py JOB`: JOB is a file with one JSON object: `ca` (a path or null), `options` of BoardHttp,
`exchanges`, each with method, url, headers, body (hex) and perhaps `cancel_ms`. Prints one JSON object a
line: for each exchange a response, an error, or that it was cancelled; last `descriptors` and `heap` (what
was open and in use after the first exchange and after the last) and `ticks` (turns of another task).
"""

import asyncio
import binascii
import gc
import json
import os
import sys

from pairlet.core.errors import PairletError
from pairlet.core.http import Request
from pairlet_board import tls
from pairlet_board.http import BoardHttp

try:
    from time import ticks_ms
except ImportError:
    from time import monotonic

    def ticks_ms():
        """Milliseconds that only grow, as boards have them."""
        return int(monotonic() * 1000)


class Clock:
    """As much of a Clock as an exchange needs."""

    def now(self):
        """Milliseconds that only grow."""
        return ticks_ms()


class Ticks:
    """Counts how often it gets its turn: nothing may block the loop."""

    def __init__(self):
        self.count = 0

    async def run(self):
        """Count for ever."""
        while True:
            await asyncio.sleep(0.01)
            self.count += 1


def usage():
    """(open descriptors, bytes of heap in use)."""
    gc.collect()
    heap = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
    return len(os.listdir("/proc/self/fd")), heap


async def outcome(http, job):
    """One exchange; (response or None, what else came of it)."""
    headers = [(name, value) for name, value in job["headers"]]
    request = Request(job["method"], job["url"], headers, binascii.unhexlify(job["body"]))
    task = asyncio.create_task(http.exchange(request))
    try:
        if "cancel_ms" in job:
            await asyncio.sleep(job["cancel_ms"] / 1000)
            task.cancel()
        return await task, {}
    except PairletError as error:
        return None, {"error": type(error).__name__, "message": error.message, "advice": error.advice}
    except asyncio.CancelledError:
        return None, {"cancelled": True}


def tell(response, said):
    """Print what came of an exchange. The body goes out in pieces: a board has no room for it in hex."""
    if response is None:
        print(json.dumps(said))
        return
    said = {"status": response.status, "headers": response.headers}
    print(json.dumps(said)[:-1], end=', "body": "')
    for at in range(0, len(response.body), 256):
        print(binascii.hexlify(response.body[at : at + 256]).decode(), end="")
    print('"}')


async def main(path):
    """Do the job in the file `path`; print the result."""
    with open(path) as file:
        job = json.load(file)
    context = None
    if job["ca"]:
        with open(job["ca"], "rb") as file:
            context = tls.context(file.read())
    http = BoardHttp(Clock(), context, **job["options"])
    ticks = Ticks()
    ticking = asyncio.create_task(ticks.run())
    first = None
    for exchange in job["exchanges"]:
        tell(*await outcome(http, exchange))
        await asyncio.sleep(0)
        # What the first one loads for good is no leak.
        last = usage()
        first = first or last
    ticking.cancel()
    descriptors, heap = [first[0], last[0]], [first[1], last[1]]
    print(json.dumps({"descriptors": descriptors, "heap": heap, "ticks": ticks.count}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
