"""Brings firmware and settings onto a board so that a power cut at any moment leaves the old or the new one.

Nothing that the board starts from is touched before the new slot is whole and its hashes are verified on
the board; then one small file is the switch (see `slots`). What a broken-off flash has brought over is
used by the next one.
"""

import json
from typing import NamedTuple, Protocol

from ...core.errors import StoreError
from . import slots, trouble
from .serial_board import SerialBoard

# Where mip or a person puts the same modules by hand; behind the slot on sys.path, so only a waste of room.
_BY_HAND = ("/lib/pairlet", "/lib/pairlet_board", "/pairlet", "/pairlet_board")
_CERTIFICATES = "/ca-"
_MAIN = "/main.py"
_KEPT_MAIN = "/main-before-pairlet.py"
_ROUNDS = 2  # of sending what the board's own hashes say is wrong
_WORN = "Run it again; if it comes back, the board's flash is worn out."


class Progress(Protocol):
    """Whoever shows how far it is."""

    def begin(self, what: str, total: int) -> None:
        """`total` bytes are on their way."""

    def add(self, size: int) -> None:
        """So many more have arrived."""

    def end(self) -> None:
        """All of them have."""


class Done(NamedTuple):
    """`slot` is the one that starts now; `sent` files went over the line, `copied` were on the board."""

    slot: str
    changed: bool
    sent: int
    copied: int
    size: int


class Settings(NamedTuple):
    """`config`: what config.json is to be. `certificates`: the CA files that it names, by their name."""

    config: bytes
    certificates: dict[str, bytes]

    @property
    def dialect(self) -> bool:
        """Whether the board has to speak one."""
        oauth = json.loads(self.config).get("oauth", {})
        return isinstance(oauth, dict) and bool(oauth.get("dialect"))

    def __repr__(self) -> str:
        return "Settings(<secret>)"


def current_config(board: SerialBoard) -> bytes | None:
    """The settings that the board would start with now, None if it has none."""
    slot = slots.chosen([board.read(path) for path in slots.CHOICES])[1]
    waiting = board.read("/" + slot + slots.CONFIG) if slot else None
    return waiting or board.read(slots.CONFIG)


class Installation:
    """One flash of one board: `files` by their path in a slot. Call `run` once."""

    def __init__(self, board: SerialBoard, files: dict[str, bytes], settings: Settings, progress: Progress):
        self._board = board
        self._settings = settings
        self._progress = progress
        self._files = files
        self._wanted = {name: slots.digest(data) for name, data in files.items()}
        self._sent = self._copied = self._size = 0

    def run(self) -> Done:
        """Do it. Raises StoreError, TransportError; the board then starts what it started before."""
        number, active, following = slots.chosen([self._board.read(path) for path in slots.CHOICES])
        main = self._board.read(_MAIN)
        if main is None or not main.startswith(slots.MARK):
            # Whatever starts now, it is in no slot.
            active = None
        present = self._present()
        same = active is not None and self._is_whole(active, present)
        target = active if active is not None and same else slots.other(active)
        if not same:
            self._clear(target, present)
            self._check_room(target, present)
            self._fill(target)
        changed = self._put_settings(target, present) or not same
        if not same:
            self._verify(target)
            self._put(slots.CHOICES[following], slots.choice(number + 1, target))
        changed = self._put_main(main) or changed
        self._tidy(target)
        return Done(target, changed, self._sent, self._copied, self._size)

    def _present(self) -> dict[str, str]:
        """The digest of every file in both slots, by its path."""
        return self._board.files(*("/" + slot for slot in slots.SLOTS))

    def _is_whole(self, slot: str, present: dict[str, str]) -> bool:
        """Whether the slot holds what it shall and nothing else but settings that wait."""
        top = f"/{slot}/"
        found = {name.removeprefix(top): digest for name, digest in present.items() if name.startswith(top)}
        found.pop(slots.CONFIG[1:], None)
        return found == self._wanted

    # ---- the slot ----------------------------------------------------------------------------

    def _clear(self, target: str, present: dict[str, str]) -> None:
        """Take away from the slot, and from `present`, what shall not be there."""
        top = f"/{target}/"
        for name in [name for name in present if name.startswith(top)]:
            if self._wanted.get(name.removeprefix(top)) != present[name]:
                self._board.remove(name)
                del present[name]

    def _check_room(self, target: str, present: dict[str, str]) -> None:
        """Raises StoreError if the rest of the slot does not fit."""
        block, free = self._board.room()
        missing = [name for name in self._files if f"/{target}/{name}" not in present]
        folders = {name.rpartition("/")[0] for name in missing}
        # A file takes whole blocks, a folder two; some more for what comes beside the slot.
        beside = 4 + sum(1 + len(data) // block for data in self._settings.certificates.values())
        blocks = sum(-(-len(self._files[name]) // block) for name in missing) + 2 * len(folders) + beside
        if blocks * block > free:
            raise trouble.flash_full(blocks * block, free)

    def _fill(self, target: str) -> None:
        """Bring what is missing until the board's own hashes say that all of it is there."""
        self._make_folders(target)
        for _ in range(_ROUNDS):
            present = self._present()
            missing = self._missing(target, present)
            if not missing:
                return
            self._bring(f"/{target}/", missing, present)
        self._verify(target)

    def _make_folders(self, target: str) -> None:
        folders = {"/" + target}
        for name in self._files:
            parts = name.split("/")[:-1]
            folders |= {"/".join(["", target, *parts[: size + 1]]) for size in range(len(parts))}
        for folder in sorted(folders):
            self._board.make_folder(folder)

    def _missing(self, target: str, present: dict[str, str]) -> list[str]:
        return [name for name, digest in self._wanted.items() if present.get(f"/{target}/{name}") != digest]

    def _verify(self, target: str) -> None:
        """Raises StoreError unless the board reads back what the slot shall hold."""
        if self._missing(target, self._board.files("/" + target)):
            raise StoreError("what the board reads back is not what it was sent", _WORN)

    def _bring(self, top: str, missing: list[str], present: dict[str, str]) -> None:
        """Each file from the other slot if it is there unchanged, else over the line."""
        by_digest = {digest: name for name, digest in present.items() if not name.startswith(top)}
        self._progress.begin("firmware", sum(len(self._files[name]) for name in missing))
        for name in missing:
            data, source = self._files[name], by_digest.get(self._wanted[name])
            if source is not None:
                self._board.copy(source, top + name)
                self._copied += 1
                self._progress.add(len(data))
            else:
                self._board.write(top + name, data, self._progress.add)
                self._sent += 1
                self._size += len(data)
        self._progress.end()

    # ---- beside the slot ---------------------------------------------------------------------

    def _put(self, path: str, data: bytes) -> None:
        """Write a small file and read it back. Raises StoreError if it is not the same then."""
        self._board.write(path, data)
        if self._board.digest(path) != slots.digest(data):
            raise StoreError(f"{path} could not be written whole", _WORN)

    def _put_settings(self, target: str, present: dict[str, str]) -> bool:
        """The settings to where the slot takes them from when it starts; True if they change anything."""
        config, staged = self._settings.config, "/" + target + slots.CONFIG
        for name, data in self._settings.certificates.items():
            if self._board.digest("/" + name) != slots.digest(data):
                self._put("/" + name, data)
        digest = slots.digest(config)
        if present.get(staged) == digest:
            return True
        # What still waits there is older than what comes now.
        self._board.remove(staged)
        if self._board.digest(slots.CONFIG) == digest:
            return staged in present
        self._put(staged, config)
        return True

    def _put_main(self, there: bytes | None) -> bool:
        """/main.py: the switch of a first flash. Another program's is kept beside it."""
        if there == slots.MAIN:
            return False
        if there is not None and not there.startswith(slots.MARK):
            self._board.copy(_MAIN, _KEPT_MAIN)
        part = _MAIN + ".part"
        self._put(part, slots.MAIN)
        self._board.rename(part, _MAIN)
        return True

    def _tidy(self, target: str) -> None:
        """Take away what nothing needs any more."""
        board = self._board
        for folder in ("/" + slots.other(target), *_BY_HAND):
            board.remove_tree(folder)
        for name in board.names("/"):
            if name.startswith(_CERTIFICATES) and name[1:].encode() not in self._settings.config:
                board.remove(name)
