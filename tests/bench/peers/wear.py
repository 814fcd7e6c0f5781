"""How many bytes the disk gets for samples taken every 10 s, in time that is only counted.

Arguments: "outbox" or "sqlite", "online" or "offline", folder, number of samples. Answers the bytes that the
kernel counts as written by this process (proc(5), write_bytes of /proc/self/io), and the payload's.
"""

import asyncio
import json
import sqlite3
import sys
from pathlib import Path

from samples import BEGIN_MS, VALUES

_INTERVAL_MS = 10000


def written() -> int:
    """So far."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise SystemExit("this kernel counts no written bytes")


async def outbox(online: bool, folder: Path, count: int) -> int:
    """Stored as the agent stores them with its defaults; a flush comes when it is due."""
    from pairlet.config import Config
    from pairlet.linux.segment_files import SegmentFolder
    from pairlet.storing import make_outbox

    kept = make_outbox(Config({}), SegmentFolder(folder / "outbox", writes=True))
    payload = now = 0
    for number in range(count):
        while (due := kept.flush_due(now)) is not None and due < now + _INTERVAL_MS:
            now = max(now, due)
            await kept.flush(only_due=True)
        now = (number + 1) * _INTERVAL_MS
        kept.add_sample(BEGIN_MS + now, VALUES, now)
        if online:
            record = kept.next(now)
            while record is not None:
                payload += len(record.payload)
                kept.acknowledge(record)
                record = kept.next(now)
        else:
            payload += 120
    await kept.flush(final=True)
    return payload


def sqlite(online: bool, folder: Path, count: int) -> int:
    """As people write it: a commit for each message, and one for each that was acknowledged."""
    connection = sqlite3.connect(folder / "queue.db")
    connection.execute("create table queue (seq integer primary key, payload text)")
    payload = 0
    for number in range(count):
        text = json.dumps({"t": BEGIN_MS + number, "seq": number, "v": VALUES})
        payload += len(text)
        with connection:
            connection.execute("insert into queue values (?, ?)", (number, text))
        if online:
            with connection:
                connection.execute("delete from queue where seq = ?", (number,))
    connection.close()
    return payload


kind, state, place, number = sys.argv[1:]
before = written()
if kind == "outbox":
    total = asyncio.run(outbox(state == "online", Path(place), int(number)))
else:
    total = sqlite(state == "online", Path(place), int(number))
print(written() - before, total, flush=True)
