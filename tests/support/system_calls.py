"""The system calls that a store or a log makes: one that fails, one before which it is killed, all recorded.

It is the process's own `os` and `fcntl` that are patched: only one at a time.
"""

import fcntl
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """The process is dead from here on."""


class Faults:
    """The system calls, counted; number `fails_at` fails with `error`, or has the process killed before it.

    `error`: an errno, or None for a kill. `open`: how many descriptors were opened and not closed again.
    """

    CALLS = (
        *("open", "write", "fsync", "fdatasync", "replace", "close", "unlink", "fstat", "ftruncate"),
        *("pread", "listdir", "lstat", "mkdir"),
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails_at: int = -1, error: int | None = None):
        self.count = 0
        self.open = 0
        self.failed = ""
        self._fails_at, self._error = fails_at, error
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._faulty(name, getattr(os, name)))
        monkeypatch.setattr(fcntl, "flock", self._faulty("flock", fcntl.flock))

    def _faulty(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            # A file is closed even if close() reports a fault: close(2), "Dealing with error returns".
            # Nor does one stay open of a process that is dead.
            result = real(*args, **kwargs) if name == "close" else None
            self.open -= name == "close"
            is_dead = self._error is None and 0 < self._fails_at <= self.count
            if self.count == self._fails_at or is_dead:
                if name == "write" and self.count == self._fails_at:
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])  # it got so far
                self.failed = self.failed or name
                if self._error is None:
                    raise Killed
                raise OSError(self._error, os.strerror(self._error))
            result = real(*args, **kwargs) if name != "close" else result
            self.open += name == "open"
            return result

        return call


class Disk:
    """What may be on a disk after a power cut, from the system calls that came before it.

    Data that was not synced may be there whole, in part, or not at all. Names (made, renamed, removed)
    that were not synced may each be there or not; those that were synced are. `journal`: what was done, and
    what is added to it as ("mark", whatever) meanwhile.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path):
        self.folder = str(folder)
        self.journal: list[tuple[Any, ...]] = []
        self._files: dict[int, str] = {}  # descriptor: the path it was opened with
        for name in ("open", "write", "fsync", "fdatasync", "ftruncate", "replace", "unlink", "close"):
            monkeypatch.setattr(os, name, self._recorded(name, getattr(os, name)))

    def _recorded(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        record = getattr(self, "_" + name.replace("fdatasync", "fsync"))

        def call(*args: Any, **kwargs: Any) -> Any:
            is_new = name == "open" and not os.path.lexists(args[0])
            result = real(*args, **kwargs)
            record(result, is_new, *args)
            return result

        return call

    def _open(self, descriptor: int, is_new: bool, path: Any, flags: int, *rest: Any) -> None:
        self._files[descriptor] = str(path)
        if is_new:
            self.journal.append(("create", str(path)))

    def _write(self, written: int, is_new: bool, descriptor: int, data: Any) -> None:
        self.journal.append(("write", self._files[descriptor], bytes(data[:written])))

    def _fsync(self, result: None, is_new: bool, descriptor: int) -> None:
        self.journal.append(("fsync", self._files[descriptor]))

    def _ftruncate(self, result: None, is_new: bool, descriptor: int, size: int) -> None:
        self.journal.append(("truncate", self._files[descriptor], size))

    def _replace(self, result: None, is_new: bool, old: Any, new: Any) -> None:
        self.journal.append(("rename", str(old), str(new)))

    def _unlink(self, result: None, is_new: bool, path: Any) -> None:
        self.journal.append(("unlink", str(path)))

    def _close(self, result: None, is_new: bool, descriptor: int) -> None:
        self._files.pop(descriptor, None)

    def outcomes(self, length: int, before: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
        """Every content of the folder (path: bytes) that a cut after `length` calls may leave."""
        steps = self.journal[:length]
        last_sync = max((at for at, step in enumerate(steps) if step == ("fsync", self.folder)), default=-1)
        names = ("create", "rename", "unlink")
        loose = [at for at, step in enumerate(steps) if step[0] in names and at > last_sync]
        for kept in itertools.product((True, False), repeat=len(loose)):
            lost = {at for at, stays in zip(loose, kept, strict=True) if not stays}
            for share in (0.0, 0.5, 1.0):  # how much of unsynced data made it
                yield self._replay(steps, lost, share, before)

    def _replay(
        self, steps: list[tuple[Any, ...]], lost: set[int], share: float, before: dict[str, bytes]
    ) -> dict[str, bytes]:
        inodes: dict[str, list[bytes]] = {path: [data, data] for path, data in before.items()}
        named = dict(inodes)  # what the disk's folder says; inodes follows what the process sees
        for at, step in enumerate(steps):
            kind, path = step[0], step[1]
            if kind == "create":
                inodes[path] = [b"", b""]  # synced data, all data
                if at not in lost:
                    named[path] = inodes[path]
            elif kind == "write":
                inodes[path][1] += step[2]
            elif kind == "truncate":
                inodes[path][1] = inodes[path][1][: step[2]]
            elif kind == "fsync" and path in inodes:
                inodes[path][0] = inodes[path][1]
            elif kind == "rename":
                inodes[step[2]] = inodes.pop(path)
                if at not in lost:
                    named.pop(path, None)
                    named[step[2]] = inodes[step[2]]
            elif kind == "unlink":
                inodes.pop(path, None)
                if at not in lost:
                    named.pop(path, None)
        return {
            path: synced + data[len(synced) :][: int(share * (len(data) - len(synced)))]
            for path, (synced, data) in named.items()
        }
