"""A real systemd, as the manager of a user, in a corner of its own: its processes and /run are nobody else's.

It takes root, for the namespaces; without them, or without systemd, a test that asks for it skips.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.agent_process import environment
from support.missing import missing
from support.processes import until

# /run/systemd/system is how programs know that systemd is at work (sd_booted(3)). It must not be the first
# process in there: that would have to be a system's manager.
_BEGIN = """\
mount --make-rprivate / && mount -t tmpfs none /run || exit
mkdir -p /run/systemd/system && mkdir -m 700 /run/user || exit
systemd --user --log-target=null
"""


class Manager:
    """Its first process has the number `pid`; `environ` is that of its user."""

    def __init__(self, pid: int, environ: dict[str, str]):
        self._pid = pid
        self._environ = environ

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, to its end."""
        enter = ["nsenter", "--target", str(self._pid), "--mount", "--pid"]
        return subprocess.run(
            [*enter, *words], capture_output=True, text=True, timeout=timeout, env=self._environ, cwd="/"
        )

    def shows(self, unit: str, name: str) -> str:
        """A property of `unit`."""
        return self.run("systemctl", "--user", "show", unit, f"--property={name}", "--value").stdout.strip()


@contextmanager
def systemd_manager(folder: Path) -> Iterator[Manager]:
    """One with its home in `folder`; at the end it and all that it has started are gone."""
    if not all(map(shutil.which, ("systemd", "systemctl", "unshare", "nsenter"))):
        missing("systemd is not on this machine (Debian: apt-get install systemd)")
    if os.geteuid() != 0:
        pytest.skip("it takes root to run a systemd of one's own")
    environ = environment(XDG_RUNTIME_DIR="/run/user", HOME=str(folder), SYSTEMD_PAGER="")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "NOTIFY_SOCKET", "DBUS_SESSION_BUS_ADDRESS"):
        environ.pop(name, None)
    process = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _BEGIN],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
    )
    try:
        yield _ready(process, environ)
    finally:
        process.kill()  # --kill-child: the first process in there ends with it, and so all others
        process.wait(30)


def _ready(process: subprocess.Popen[bytes], environ: dict[str, str]) -> Manager:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pid = int(until(lambda: children.read_text().split() or process.poll(), "a child")[0])
    manager = Manager(pid, environ)
    deadline = time.monotonic() + 30
    while manager.run("systemctl", "--user", "is-system-running").stdout.strip() not in (
        "running",
        "degraded",
    ):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.skip("systemd does not start here")
    return manager
