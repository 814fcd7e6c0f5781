"""The unit file in its place, and systemd told of it."""

import os
import subprocess
import tempfile
from pathlib import Path

from ...core.errors import ConfigError, PairletError
from .unit import MARK

_SYSTEM_UNITS = Path("/etc/systemd/system")
# There is such a folder where systemd is the system's manager (sd_booted(3)).
_BOOTED = Path("/run/systemd/system")
_TIMEOUT_S = 90


class ServiceError(PairletError):
    """systemd would not."""

    def _usual_advice(self) -> str:
        return "See what it says: journalctl -xe."


class Installed:
    """The service `name`, of the system or of this user. ConfigError where there is no systemd."""

    def __init__(self, name: str, for_user: bool, *, units: Path | None = None, booted: Path = _BOOTED):
        self.name = name
        self._for_user = for_user
        self._booted = booted
        self.file = (units or _folder(for_user)) / f"{name}.service"

    def check(self) -> None:
        """ConfigError unless this user may install and remove it on this machine."""
        if not self._booted.is_dir():
            raise ConfigError(
                "this machine does not run systemd",
                "Start `pairlet run` from what it runs; --dry-run shows what a unit file would say.",
            )
        if not self._for_user and os.geteuid() != 0:
            raise ConfigError(
                "a service of the system takes root", "Use sudo, or --user for one of your own."
            )
        if self.file.exists() and not self._is_ours():
            raise ConfigError(
                f"{self.file} was not written by this program", "Give another --name, or move it away."
            )

    def is_there(self) -> bool:
        """Whether there is a unit file of ours."""
        return self.file.exists() and self._is_ours()

    def install(self, text: str) -> None:
        """Write the unit file, old or new whatever happens; enable and (re)start the service."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self.file.parent, prefix=f".{self.name}.")
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                os.chmod(temporary, 0o644)
                os.replace(temporary, self.file)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            raise ServiceError(f"{self.file} can't be written: {error.strerror}", "Check who may.") from None
        self._systemctl("daemon-reload")
        self._systemctl("enable", self.file.name)
        self._systemctl("restart", self.file.name)

    def remove(self) -> None:
        """Stop and disable the service, and remove its unit file."""
        self._systemctl("disable", "--now", self.file.name)
        try:
            self.file.unlink()
        except OSError as error:
            raise ServiceError(f"{self.file} can't be removed: {error.strerror}", "Check who may.") from None
        self._systemctl("daemon-reload")

    def properties(self) -> dict[str, str]:
        """What systemd knows of it: ActiveState, SubState, StatusText, NRestarts, Result."""
        said = self._systemctl(
            "show", self.file.name, "--property=ActiveState,SubState,StatusText,NRestarts,Result"
        )
        pairs = (line.partition("=") for line in said.splitlines())
        return {name: value for name, _, value in pairs}

    def _is_ours(self) -> bool:
        try:
            return self.file.read_text(encoding="utf-8", errors="replace").startswith(MARK)
        except OSError:
            return False

    def _systemctl(self, *words: str) -> str:
        command = ["systemctl", *(["--user"] if self._for_user else []), *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError(f"{' '.join(command)} can't be run: {type(error).__name__}") from None
        if done.returncode:
            said = "".join(each if each.isprintable() else " " for each in done.stderr.strip()[:300])
            raise ServiceError(f"{' '.join(command)} fails: {said or f'exit code {done.returncode}'}")
        return done.stdout


def _folder(for_user: bool) -> Path:
    if not for_user:
        return _SYSTEM_UNITS
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "systemd" / "user"
