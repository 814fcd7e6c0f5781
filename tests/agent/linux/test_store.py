"""FileStore: who may write, what a fault leaves behind, and what a power cut leaves behind."""

import asyncio
import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pairlet.device as device_module
import pytest
from pairlet.core.errors import StoreError
from pairlet.linux import store as store_module
from pairlet.linux.commands import Joined
from pairlet.linux.doctor.reading import look_at_folder
from pairlet.linux.options import parser
from pairlet.linux.output import Output
from pairlet.linux.store import FileStore
from support.system_calls import Disk, Faults

OLD, NEW = b"old " * 700, b"new " * 900
WAIT_S = 30


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestFolder:
    def test_is_made_with_its_parents_for_this_user_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b" / "state"
        FileStore(folder).save("refresh", OLD)
        assert [mode(path) for path in (folder, folder.parent)] == [0o700, 0o700]
        assert mode(folder / "refresh") == 0o600
        assert names(folder) == ["refresh"]

    def test_values_are_private_whatever_the_umask_and_the_old_mode(self, tmp_path: Path) -> None:
        folder = tmp_path / "state"
        before = os.umask(0)
        try:
            store = FileStore(folder)
            store.save("refresh", OLD)
            (folder / "refresh").chmod(0o644)
            store.save("refresh", NEW)
        finally:
            os.umask(before)
        assert (mode(folder), mode(folder / "refresh")) == (0o700, 0o600)

    def test_a_relative_one_needs_a_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        with pytest.raises(StoreError, match="could not find the state folder 'state': No such file"):
            FileStore("state")
        with pytest.raises(StoreError, match="could not find the state folder 'state': No such file"):
            look_at_folder(Path("state"), 1)

    @pytest.mark.parametrize("bits", [0o020, 0o002, 0o022])
    def test_others_must_not_write_to_it(self, tmp_path: Path, bits: int) -> None:
        tmp_path.chmod(0o700 | bits)
        with pytest.raises(StoreError, match="other users may write") as caught:
            FileStore(tmp_path)
        assert "chmod go-w" in caught.value.advice

    def test_others_may_look_at_it(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        FileStore(tmp_path).save("refresh", OLD)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_must_not_belong_to_somebody_else(self, tmp_path: Path) -> None:
        os.chown(tmp_path, 12345, -1)
        with pytest.raises(StoreError, match="belongs to another user .uid 12345"):
            FileStore(tmp_path)

    def test_a_file_is_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_bytes(b"")
        for folder in ("state", "state/below"):
            with pytest.raises(StoreError):
                FileStore(tmp_path / folder)

    @pytest.mark.parametrize("folder", ["a\0b", "a\ud800\udc00\ud800"])
    def test_not_a_path(self, tmp_path: Path, folder: str) -> None:
        with pytest.raises(StoreError) as caught:
            FileStore(str(tmp_path) + "/" + folder)
        assert str(caught.value).isprintable()

    def test_what_a_dead_writer_left_is_removed(self, tmp_path: Path) -> None:
        left = tmp_path / ".refresh.0123456789abcdef.tmp"
        left.write_bytes(b"half")
        (tmp_path / "other.tmp").write_bytes(b"not ours")
        FileStore(tmp_path)
        assert names(tmp_path) == ["other.tmp"]

    def test_what_a_living_writer_is_writing_is_left_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = FileStore(tmp_path)
        real = os.fsync

        def start_another(descriptor: int) -> None:
            FileStore(tmp_path)
            real(descriptor)

        monkeypatch.setattr(store_module.os, "fsync", start_another)
        store.save("refresh", NEW)
        assert store.load("refresh") == NEW

    def test_a_start_in_the_gap_before_the_file_is_locked_costs_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = FileStore(tmp_path)
        real, gaps = store_module.flock, [1, 1]

        def start_another(descriptor: int) -> bool:
            if gaps:
                gaps.pop()
                monkeypatch.setattr(store_module, "flock", real)
                FileStore(tmp_path)  # takes the new file for a left-over and removes it
                monkeypatch.setattr(store_module, "flock", start_another)
            return real(descriptor)

        monkeypatch.setattr(store_module, "flock", start_another)
        store.save("refresh", NEW)
        assert not gaps and store.load("refresh") == NEW
        assert names(tmp_path) == ["refresh"]


class TestFiles:
    def test_a_link_is_replaced_not_followed(self, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        store = FileStore(tmp_path / "state")
        (tmp_path / "state" / "refresh").symlink_to(victim)
        store.save("refresh", NEW)
        assert victim.read_bytes() == b"precious"
        assert not (tmp_path / "state" / "refresh").is_symlink()
        assert store.load("refresh") == NEW

    def test_a_lock_that_is_a_link_is_refused(self, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        store = FileStore(tmp_path / "state")
        (tmp_path / "state" / ".lock").symlink_to(victim)
        with pytest.raises(StoreError):
            asyncio.run(hold(store))
        assert victim.read_bytes() == b"precious"

    @pytest.mark.parametrize("is_there", [True, False])
    @pytest.mark.parametrize("error", [errno.EROFS, errno.ENOSPC, errno.EDQUOT])
    def test_whoever_pairs_can_lock_a_disk_that_takes_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, is_there: bool
    ) -> None:
        """Else a token that a person has just approved would not get as far as the memory. Without a code on
        the screen there is no lock: no refresh may leave whose answer could not be saved."""
        real = os.open

        def failed(path: str, flags: int, mode: int = 0o777) -> int:
            if flags & (os.O_RDWR | os.O_WRONLY):
                raise OSError(error, os.strerror(error))
            return real(path, flags, mode)

        store, other = FileStore(tmp_path), FileStore(tmp_path, lock_timeout_s=0)
        assert store.claim("pairing") and other.claim("other")
        if not is_there:
            monkeypatch.setattr(store_module.os, "open", failed)

        async def play() -> None:
            async with store.lock():
                # Whoever held it when the disk failed goes on holding it.
                monkeypatch.setattr(store_module.os, "open", failed)
                with pytest.raises(StoreError, match="did not let go"):
                    await hold(other)
            await hold(other)
            other.release("other")
            with pytest.raises(StoreError, match=os.strerror(error)):
                await hold(other)

        asyncio.run(play())

    def test_things_that_are_no_files(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path)
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "folder").mkdir()
        for name in ("fifo", "folder"):
            with pytest.raises(StoreError, match="not a file"):
                store.load(name)
        with pytest.raises(StoreError):
            store.save("folder", NEW)
        assert names(tmp_path) == ["fifo", "folder"]

    @pytest.mark.parametrize(
        "name", ["", ".", "..", "a/b", "../a", "A", "a.b", ".lock", "a\0", "ä", 65 * "a"]
    )
    def test_names_that_could_lead_elsewhere(self, tmp_path: Path, name: str) -> None:
        store = FileStore(tmp_path)
        for use in (store.load, store.delete, store.set_aside, lambda name: store.save(name, NEW)):
            with pytest.raises(StoreError):
                use(name)
        assert names(tmp_path) == []

    def test_set_aside_counts_up(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path)
        paths = []
        for value in (b"one", b"two", b"three"):
            store.save("refresh", value)
            paths.append(store.set_aside("refresh"))
        assert [Path(path).name for path in paths] == [f"refresh.corrupt-{number}" for number in (1, 2, 3)]
        assert [Path(path).read_bytes() for path in paths] == [b"one", b"two", b"three"]
        with pytest.raises(StoreError):
            store.set_aside("refresh")
        assert len(names(tmp_path)) == 3  # no empty place was left behind


def steps_of(act: Callable[[FileStore], object], folder: Path) -> int:
    """How many system calls `act` makes when all goes well."""
    with pytest.MonkeyPatch.context() as patch:
        store = FileStore(folder)
        store.save("refresh", OLD)
        faults = Faults(patch)
        act(store)
        return faults.count


ACTS: list[tuple[str, Callable[[FileStore], object], set[bytes | None]]] = [
    ("save", lambda store: store.save("refresh", NEW), {OLD, NEW}),
    ("delete", lambda store: store.delete("refresh"), {OLD, None}),
    ("set_aside", lambda store: store.set_aside("refresh"), {OLD, None}),
]


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EINTR])
@pytest.mark.parametrize(("name", "act", "allowed"), ACTS, ids=[act[0] for act in ACTS])
def test_a_fault_at_any_system_call(
    tmp_path: Path, name: str, act: Callable[[FileStore], object], allowed: set[bytes | None], error: int
) -> None:
    steps = steps_of(act, tmp_path / "clean")
    assert steps >= 3
    for step in range(1, steps + 1):
        folder = tmp_path / str(step)
        store = FileStore(folder)
        store.save("refresh", OLD)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, step, error)
            with pytest.raises(StoreError) as caught:
                act(store)
            assert faults.count >= step
            assert faults.open == 0  # no descriptor was lost on the way
        assert "refresh" in str(caught.value) and os.strerror(error) in str(caught.value)
        assert store.load("refresh") in allowed
        kept = (folder / "refresh.corrupt-1").read_bytes() if (folder / "refresh.corrupt-1").exists() else b""
        if store.load("refresh") is None and name == "set_aside":
            assert kept == OLD
        assert not [each for each in names(folder) if each.endswith(".tmp")]


def test_a_save_that_fails_before_the_rename_leaves_the_old_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path)
    store.save("refresh", OLD)

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store_module.os, "write", full)
    with pytest.raises(StoreError) as caught:
        store.save("refresh", NEW)
    assert "disk is full" in caught.value.advice
    assert store.load("refresh") == OLD


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(store_module.os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    store = FileStore(tmp_path)
    store.save("refresh", NEW)
    assert store.load("refresh") == NEW


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(disk)]
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a file system takes root")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this system does not let root mount a file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class TestRealDisk:
    def test_full(self, small_disk: Path) -> None:
        store = FileStore(small_disk)
        store.save("refresh", OLD)
        with pytest.raises(StoreError, match="No space left") as caught:
            store.save("refresh", bytes(100_000))
        assert "disk is full" in caught.value.advice
        assert store.load("refresh") == OLD
        assert names(small_disk) == ["refresh"]
        store.save("refresh", NEW)  # the failed attempt gave its space back
        assert store.load("refresh") == NEW

    def test_read_only(self, small_disk: Path) -> None:
        FileStore(small_disk).save("refresh", OLD)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        store = FileStore(small_disk)
        assert store.load("refresh") == OLD
        for use in (lambda: store.save("refresh", NEW), lambda: store.delete("refresh")):
            with pytest.raises(StoreError, match="[Rr]ead-only") as caught:
                use()
            assert "read-only" in caught.value.advice
        assert store.load("refresh") == OLD


@pytest.mark.parametrize(("name", "act", "allowed"), ACTS, ids=[act[0] for act in ACTS])
def test_a_power_cut_at_any_moment(
    tmp_path: Path, name: str, act: Callable[[FileStore], object], allowed: set[bytes | None]
) -> None:
    folder = tmp_path / "state"
    store = FileStore(folder)
    store.save("refresh", OLD)
    before = {str(folder / "refresh"): OLD}
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, folder)
        act(store)
    assert disk.journal[-1] == ("fsync", str(folder))
    images, seen = 0, set()
    for length in range(len(disk.journal) + 1):
        for content in disk.outcomes(length, before):
            images += 1
            image = tmp_path / str(images)
            image.mkdir(mode=0o700)
            for path, data in content.items():
                (image / Path(path).name).write_bytes(data)
            found = FileStore(image).load("refresh")
            assert found in allowed, (name, length, disk.journal[:length], content)
            if name == "set_aside":  # the value itself is never lost, wherever it is
                assert OLD in content.values()
            seen.add(found)
            if length == len(disk.journal):
                assert found == (NEW if name == "save" else None)  # it said that it was done
            shutil.rmtree(image)
    assert seen == allowed and images > 10


def test_kills_leave_the_old_value_or_the_new_one(tmp_path: Path) -> None:
    program = """
        import itertools, sys
        from pairlet.linux.store import FileStore
        store = FileStore(sys.argv[1])
        for number in itertools.count():
            store.save("value", (b"%08d" % number) * 5000)
            if number % 10 == 9:
                print(number, flush=True)
    """
    folder = tmp_path / "state"
    for kill in range(4):
        arguments = [sys.executable, "-c", textwrap.dedent(program), str(folder)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = ""
            for _ in range(kill + 2):
                said = process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        value = FileStore(folder).load("value") or b""
        assert len(value) == 40_000 and value == value[:8] * 5000
        assert int(value[:8]) >= int(said)  # what was reported as saved stayed saved
        assert not [each for each in names(folder) if each.endswith(".tmp")]


async def hold(store: FileStore) -> None:
    async with store.lock():
        pass


class TestLock:
    def test_other_processes_wait_for_it(self, tmp_path: Path) -> None:
        program = """
            import asyncio, sys
            from pairlet.linux.store import FileStore
            async def main():
                async with FileStore(sys.argv[1]).lock():
                    print("locked", flush=True)
                    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            asyncio.run(main())
        """
        arguments = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdin is not None
            assert process.stdout.readline() == "locked\n"
            with pytest.raises(StoreError, match=f"process {process.pid} holds the state folder"):
                asyncio.run(hold(FileStore(tmp_path, lock_timeout_s=0.05)))

            async def wait_while_it_ends() -> None:
                waiting = asyncio.ensure_future(hold(FileStore(tmp_path)))
                await asyncio.sleep(0)  # the loop is free although the lock is not
                assert not waiting.done()
                process.stdin.close()  # type: ignore[union-attr]
                await asyncio.wait_for(waiting, WAIT_S)

            asyncio.run(wait_while_it_ends())
            assert process.wait(WAIT_S) == 0

    def test_a_killed_holder_lets_go(self, tmp_path: Path) -> None:
        program = """
            import asyncio, os, signal, sys
            from pairlet.linux.store import FileStore
            async def main():
                async with FileStore(sys.argv[1]).lock():
                    os.kill(os.getpid(), signal.SIGKILL)
            asyncio.run(main())
        """
        arguments = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
        assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
        asyncio.run(hold(FileStore(tmp_path, lock_timeout_s=0)))

    def test_a_program_started_meanwhile_does_not_keep_it(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path, lock_timeout_s=0)

        async def scenario() -> subprocess.Popen[bytes]:
            async with store.lock():
                return subprocess.Popen(["sleep", "60"], close_fds=False)

        process = asyncio.run(scenario())
        try:
            asyncio.run(hold(store))
        finally:
            process.kill()
            process.wait()

    def test_nested_use_is_told_after_a_while(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path, lock_timeout_s=0.05)

        async def scenario() -> None:
            async with store.lock():
                await hold(store)

        with pytest.raises(StoreError, match="this process itself"):
            asyncio.run(scenario())
        asyncio.run(hold(store))

    @pytest.mark.parametrize("content", [b"", b"banana", b"-", b"\xff" * 30, b"1" * 30])
    def test_a_holder_that_left_no_name(self, tmp_path: Path, content: bytes) -> None:
        import fcntl

        (tmp_path / ".lock").write_bytes(content)
        with open(tmp_path / ".lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(StoreError, match="process .*holds the state folder"):
                asyncio.run(hold(FileStore(tmp_path, lock_timeout_s=0)))

    def test_a_cancelled_waiter_leaves_nothing_behind(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path)

        async def scenario() -> None:
            async with store.lock():
                waiting = asyncio.ensure_future(hold(store))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            await asyncio.wait_for(hold(store), WAIT_S)

        asyncio.run(scenario())


class TestClaim:
    def test_one_at_a_time_whoever_asks(self, tmp_path: Path) -> None:
        first, second = FileStore(tmp_path), FileStore(tmp_path)
        assert first.claim("pairing")
        assert not first.claim("pairing") and not second.claim("pairing")
        assert second.claim("another"), "another work is another claim"
        second.release("pairing")
        assert not second.claim("pairing"), "given back by somebody who had it not"
        first.release("pairing")
        assert second.claim("pairing")

    def test_a_killed_process_gives_it_back_and_a_program_it_started_does_not_keep_it(
        self, tmp_path: Path
    ) -> None:
        program = """
            import subprocess, sys
            from pairlet.linux.store import FileStore
            store = FileStore(sys.argv[1])
            assert store.claim("pairing")
            child = subprocess.Popen(["sleep", "600"], close_fds=False)
            print(child.pid, flush=True)
            sys.stdin.readline()
        """
        arguments = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
        pipe = subprocess.PIPE
        with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            child = int(process.stdout.readline())
            try:
                assert not FileStore(tmp_path).claim("pairing")
                process.kill()
                process.wait(WAIT_S)
                assert FileStore(tmp_path).claim("pairing")
            finally:
                os.kill(child, signal.SIGKILL)

    def test_its_file_is_private_and_no_value(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "state")
        assert store.claim("pairing")
        assert names(tmp_path / "state") == [".pairing.lock"]
        assert mode(tmp_path / "state" / ".pairing.lock") == 0o600
        assert store.load("pairing") is None

    @pytest.mark.parametrize("name", ["", "..", "a/b", "A", ".lock", "a\0"])
    def test_names_that_no_value_has(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(StoreError):
            FileStore(tmp_path / "state").claim(name)
        with pytest.raises(StoreError), FileStore(tmp_path / "state").alone(name):
            pass

    def test_a_folder_that_takes_no_file(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "state")
        (tmp_path / "state" / ".pairing.lock").mkdir()
        with pytest.raises(StoreError, match="lock file"):
            store.claim("pairing")

    def test_a_file_system_without_locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = FileStore(tmp_path / "state")
        before = len(os.listdir("/proc/self/fd"))

        def refuse(descriptor: int, flags: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(store_module.fcntl, "flock", refuse)
        with pytest.raises(StoreError, match="No locks available"):
            store.claim("pairing")
        assert len(os.listdir("/proc/self/fd")) == before


class TestAlone:
    def test_another_start_waits_and_one_that_waits_in_vain_says_for_whom(self, tmp_path: Path) -> None:
        other = FileStore(tmp_path, lock_timeout_s=0)
        with FileStore(tmp_path).alone("device"):
            with pytest.raises(StoreError, match="this process itself holds"), other.alone("device"):
                pass
            with other.alone("another"):
                pass
        with other.alone("device"):
            pass

    def test_a_device_is_made_up_by_one_start_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ["token", "--client-id", "tv", "--issuer", "https://as.test"]
        words += ["--set", f"store.dir={tmp_path}"]
        made_up = device_module._made_up
        kept_off: list[bool] = []

        def watched(*given: Any) -> str:
            kept_off.append(not FileStore(tmp_path).claim("device"))
            return made_up(*given)

        async def start() -> str:
            joined = Joined(parser().parse_args(words), Output(True, sys.stdout, sys.stderr))
            return joined.device.device_id

        monkeypatch.setattr(device_module, "_made_up", watched)
        assert asyncio.run(start()) == asyncio.run(start())
        assert kept_off == [True]

    def test_who_can_not_write_reads(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path)
        store.save("device", OLD)
        (tmp_path / ".device.lock").mkdir()
        with store.alone("device"):
            assert store.load("device") == OLD
