"""The device's state as somebody sees it who only looks: nothing is made, mended or moved.

try_out() writes a file, and removes it again.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from ...core.errors import StoreError
from ..store import FileStore, told


class ReadOnlyStore:
    """The port Store over a state folder that may not be there; whoever wants to write gets a StoreError.

    `folder`: None where there is none that may be used. StoreError for one that can't be, see FileStore.
    """

    is_shared = True

    def __init__(self, folder: Path | None):
        self._folder = folder
        is_there = folder is not None and os.path.lexists(folder)
        self._store = FileStore(folder, as_found=True) if folder is not None and is_there else None

    @property
    def is_there(self) -> bool:
        """Whether there is a folder."""
        return self._store is not None

    def try_out(self) -> None:
        """See FileStore.try_out; nothing without a folder."""
        if self._store is not None:
            self._store.try_out()

    def load(self, name: str) -> bytes | None:
        """See ports.Store."""
        return None if self._store is None else self._store.load(name)

    def save(self, name: str, value: bytes) -> None:
        """Refuse."""
        raise StoreError("nothing is written while the state is only looked at")

    def delete(self, name: str) -> None:
        """Refuse."""
        raise StoreError("nothing is deleted while the state is only looked at")

    def set_aside(self, name: str) -> str:
        """Refuse: what can't be read is to stay where it is."""
        raise StoreError(
            f"the value {name} in {ascii(str(self._folder))} can't be read: it is damaged",
            "The next command that needs it sets it aside: after that, pair the device anew.",
        )

    @contextlib.asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Refuse."""
        raise StoreError("nothing is locked while the state is only looked at")
        yield

    def claim(self, name: str) -> bool:
        """Refuse."""
        return False

    def release(self, name: str) -> None:
        """There is nothing to give back."""


def is_of_another(folder: Path) -> bool:
    """Whether it belongs to another user."""
    try:
        return os.stat(folder).st_uid != os.geteuid()
    except OSError:
        return False


def look_at_folder(folder: Path, needed: int) -> tuple[str, str]:
    """What there is to say of the room for a state folder, and what to do about it, "" for nothing.

    `needed`: bytes that may come to lie there. Raises StoreError.
    """
    with told("find the state folder", str(folder)):
        place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != folder.absolute() and not os.access(place, os.W_OK | os.X_OK):
        raise StoreError(
            f"{folder} is not there, and this user may not make it in {place}",
            "Run as the user that the agent runs as, or choose another folder with --state-dir.",
        )
    try:
        status = os.statvfs(place)
    except OSError as error:
        raise StoreError(f"{place} can't be looked at: {(error.strerror or '').lower()}") from None
    free = status.f_bavail * status.f_frsize
    if status.f_files and not status.f_favail:
        return f"{_size(free)} free, and no room for one more file", "Remove files from that disk."
    if free < needed:
        return f"{_size(free)} free", f"Make room: up to {_size(needed)} may come to lie there."
    return f"{_size(free)} free", ""


def _size(count: float) -> str:
    """`count` bytes as a person says it."""
    units = ["bytes", "KB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        del units[0]
    return f"{count:.0f} {units[0]}" if count >= 10 or units[0] == "bytes" else f"{count:.1f} {units[0]}"
