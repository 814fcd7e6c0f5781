"""Where the file goes: looked at before the first question, and written whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from ...core.errors import ConfigError, StoreError
from ..store import sync_folder, write_all

_DEFAULT = "pairlet.toml"


class Target:
    """The file at `named`, or ./pairlet.toml. Raises ConfigError and StoreError where none can be written."""

    def __init__(self, named: str | None):
        # A link stays one: what it leads to is written.
        self.path = Path(os.path.realpath(os.path.expanduser(named or _DEFAULT)))
        self.shown = named or _DEFAULT
        if os.path.isdir(self.path):
            raise ConfigError(f"{self.shown} is a folder", f"Name the file: {Path(self.shown) / _DEFAULT}.")
        if self.exists() and not os.path.isfile(self.path):
            # /dev/null, say, which root could replace.
            raise ConfigError(f"{self.shown} is no file", "Name a file in another place.")
        self._check_folder()

    def exists(self) -> bool:
        """Whether there is something of that name."""
        return os.path.lexists(self.path)

    def _check_folder(self) -> None:
        folder = self.path.parent
        while not os.path.lexists(folder):
            folder = folder.parent
        if not os.path.isdir(folder):
            raise ConfigError(f"{folder} is no folder", "Name a file in another place.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StoreError(
                f"this user may not write to {folder}", "Use sudo, or name a file in another place."
            )

    def relative(self, named: str) -> str:
        """The path `named` from here, as the file has it: from where that is, for one beside or below it."""
        path = os.path.abspath(os.path.expanduser(named))
        below = os.path.relpath(path, self.path.parent)
        # "~" at the beginning would be somebody's home.
        return path if below.startswith(("..", "~")) else below

    def resolved(self, relative: str) -> Path:
        """What a path in the file means."""
        return self.path.parent / relative

    def write(self, text: str, check: Callable[[Path], object], *, replace: bool) -> None:
        """Write `text`; the file is the old or the new one, whatever happens.

        `check` reads what was written before it takes the name; what it raises is raised. `replace`: an old
        file, whose mode stays; else ConfigError if there is one by now.
        """
        folder = self.path.parent
        temporary = folder / f".{self.path.name}.{secrets.token_hex(8)}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
            try:
                if os.path.exists(self.path):
                    was = self.path.stat()
                    with contextlib.suppress(OSError):  # only root may give a file to somebody else
                        os.fchown(descriptor, was.st_uid, was.st_gid)
                    os.fchmod(descriptor, was.st_mode & 0o777)
                write_all(descriptor, text.encode("utf-8"))
                os.fsync(descriptor)
                check(temporary)
                if self.exists() and not replace:
                    raise ConfigError(f"{self.shown} is there by now", "Use --force to replace it.")
                os.replace(temporary, self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            finally:
                os.close(descriptor)
            sync_folder(str(folder))
        except OSError as error:
            raise StoreError(
                f"{self.shown} can't be written: {error.strerror}",
                "Check the folder, who may write there, and its room.",
            ) from None
