"""When something was kept, and how old it is after a restart: as much as is certain, and no more."""

from .wall import SYNCED, UNSET, Wall


def stamp(now: int, wall: Wall, boot_id: str) -> "dict[str, object]":
    """Plain values that date a record: `now` of the boot `boot_id` ("": unknown), and the wall clock's time.

    A clock that only knows a floor does not date anything: it may be years behind.
    """
    return {
        "boot_id": boot_id,
        "kept_at": now,
        "kept_on": wall.seconds if wall.state == SYNCED else None,
    }


def age_ms(record: "dict[str, object]", now: int, wall: Wall, boot_id: str) -> int:
    """How long ago a record with a stamp was kept, in ms; 0 when nobody knows.

    In the same boot it is known to the millisecond, whatever the wall clock did since. In another one
    it takes wall clocks: synced then, and now at least a floor, which makes it at least so old.
    """
    kept_at, kept_on = record.get("kept_at"), record.get("kept_on")
    if boot_id and record.get("boot_id") == boot_id and isinstance(kept_at, int):
        return max(0, now - kept_at)
    if wall.state != UNSET and isinstance(kept_on, int):
        # Both are whole seconds, so that almost one of them may not have passed.
        passed_s: int = wall.seconds - kept_on
        return max(0, 1000 * passed_s - 999)
    return 0
