"""A folder on a disk that may lose power at any moment, as POSIX promises it and not a bit better.

What was written is only safe once the file was synced, and a name only once its folder was. After a
power cut the folder has gone through some of its unsynced changes, in their order, and each unsynced
file holds what it held when it was last synced, or a piece of the new, or zeros, or all of it. Where it
was only appended to, what was synced stays, and that is said of the rest.
"""

from random import Random


class File:
    """Bytes as programs see them (`data`) and as they are safe (`synced`, None: never)."""

    __slots__ = ("data", "synced")

    def __init__(self) -> None:
        self.data = b""
        self.synced: bytes | None = None


class Disk:
    """The files of one folder by name."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._safe: dict[str, File] = {}
        # Changes since the folder was synced: each is what it does to names (None: gone).
        self._changes: list[dict[str, File | None]] = []

    def create(self, name: str) -> File:
        """A new, empty file."""
        file = File()
        self._change({name: file})
        return file

    def remove(self, name: str) -> None:
        """Take a name away."""
        self._change({name: None})

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, over whatever had it."""
        self._change({new: self.files[old], old: None})

    def _change(self, change: dict[str, File | None]) -> None:
        self._changes.append(change)
        _apply(change, self.files)

    def sync(self, file: File) -> None:
        """Make the bytes of `file` safe."""
        file.synced = file.data

    def sync_folder(self) -> None:
        """Make all names safe."""
        self._changes.clear()
        self._safe = dict(self.files)

    def sync_all(self) -> None:
        """Make everything safe, as a shutdown does."""
        self.sync_folder()
        for file in self.files.values():
            self.sync(file)

    def settled(self, name: str) -> "bytes | None":
        """What `name` holds after a power cut in this moment, however it goes; None if nothing for sure."""
        file = self._safe.get(name)
        for change in self._changes:
            if name in change and change[name] is not file:
                return None
        return file.synced if file is not None and file.synced == file.data else None

    def is_gone(self, name: str) -> bool:
        """Whether there is nothing of that name after a power cut in this moment, however it goes."""
        return name not in self._safe and not any(change.get(name) for change in self._changes)

    def cut_power(self, chance: Random) -> str:
        """What is left after a power cut becomes all there is; returns words for what was lost."""
        kept = chance.randint(0, len(self._changes))
        lost = len(self._changes) - kept
        for change in self._changes[:kept]:
            _apply(change, self._safe)
        torn = [name for name, file in self._safe.items() if file.data != file.synced]
        for name in torn:
            self._safe[name].data = _remains(self._safe[name], chance)
        for file in self._safe.values():
            file.synced = file.data
        self._changes.clear()
        self.files = dict(self._safe)
        words = [f"{lost} changes of names"] if lost else []
        return ", ".join(words + [f"a part of {name}" for name in torn]) or "nothing"


def _apply(change: dict[str, File | None], files: dict[str, File]) -> None:
    for name, file in change.items():
        if file is None:
            files.pop(name, None)
        else:
            files[name] = file


def _remains(file: File, chance: Random) -> bytes:
    """What an unsynced file may hold after a power cut."""
    way = chance.randrange(4)
    if way == 0:
        return file.synced or b""
    safe = file.synced if file.synced and file.data.startswith(file.synced) else b""
    new = file.data[len(safe) :]
    if way == 1:
        return safe + new[: chance.randint(0, len(new))]
    return safe + bytes(len(new)) if way == 2 else file.data
