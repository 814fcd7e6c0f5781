"""What every Store keeps to. To add an implementation: one line in IMPLEMENTATIONS."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from pairlet.core.errors import StoreError
from pairlet.linux.log.ports import LoggedStore
from pairlet.linux.store import FileStore
from pairlet.ports import Store
from pairlet_board.store import BoardStore

# Opens the store that lives in (or is known by) this folder: again and again the same one.
Factory = Callable[[Path], Store]

IMPLEMENTATIONS: dict[str, Factory] = {
    "linux": lambda folder: FileStore(folder / "state"),
    "linux, with a log": lambda folder: LoggedStore(FileStore(folder / "state")),
    # Without os.sync, which would sync the whole machine on CPython.
    "board": lambda folder: BoardStore(str(folder / "state"), sync=None),
}

VALUES = [b"", b"\x00", b"{}", bytes(range(256)), b"x" * 100_000]


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    factory: Factory = request.param
    return lambda: factory(tmp_path)


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    return reopen()


def test_it_says_whether_other_processes_may_use_it(store: Store) -> None:
    assert store.is_shared is (type(store) in (FileStore, LoggedStore))


def test_there_is_nothing_at_first(store: Store) -> None:
    assert store.load("refresh") is None


@pytest.mark.parametrize("value", VALUES, ids=len)
def test_what_was_saved_is_there_also_after_opening_again(
    store: Store, reopen: Callable[[], Store], value: bytes
) -> None:
    store.save("refresh", value)
    assert store.load("refresh") == value
    assert reopen().load("refresh") == value


def test_a_value_is_replaced_as_a_whole(store: Store, reopen: Callable[[], Store]) -> None:
    for value in (b"a long first value", b"short", b""):
        store.save("refresh", value)
        assert reopen().load("refresh") == value


def test_names_do_not_meet(store: Store) -> None:
    names = ["a", "aa", "a-1", "a_1", "0", "-", "_", "token-previous"]
    for name in names:
        store.save(name, name.encode())
    assert [store.load(name) for name in names] == [name.encode() for name in names]


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "A", "a b", "a.b", "a\n"])
def test_names_that_no_store_takes(store: Store, name: str) -> None:
    for use in (store.load, store.delete, store.set_aside, lambda name: store.save(name, b"")):
        with pytest.raises(StoreError):
            use(name)


def test_the_saved_value_is_not_the_callers_any_more(store: Store) -> None:
    value = bytearray(b"mine")
    store.save("refresh", value)  # type: ignore[arg-type]
    value[:] = b"\x00\x00\x00\x00"
    assert store.load("refresh") == b"mine"


def test_delete_removes_and_does_not_mind_nothing(store: Store, reopen: Callable[[], Store]) -> None:
    store.delete("refresh")
    store.save("refresh", b"1")
    store.save("other", b"2")
    store.delete("refresh")
    store.delete("refresh")
    assert (reopen().load("refresh"), reopen().load("other")) == (None, b"2")


def test_set_aside_makes_room_and_overwrites_nothing(store: Store) -> None:
    places = []
    for value in (b"one", b"two", b"three"):
        store.save("refresh", value)
        places.append(store.set_aside("refresh"))
        assert store.load("refresh") is None
    assert len(set(places)) == 3
    assert all("refresh" in place for place in places)  # a person has to find it again


def test_set_aside_of_nothing_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError):
        store.set_aside("refresh")


def test_lock_lets_one_in_at_a_time(store: Store, reopen: Callable[[], Store]) -> None:
    inside: list[str] = []

    async def visitor(each: Store) -> None:
        for _ in range(3):
            async with each.lock():
                inside.append("in")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                inside.append("out")
            await asyncio.sleep(0)

    async def scenario() -> None:
        await asyncio.gather(visitor(store), visitor(store), visitor(reopen()))

    asyncio.run(scenario())
    assert inside == ["in", "out"] * 9


def test_lock_is_given_back_whatever_happens_inside(store: Store) -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="inside"):
            async with store.lock():
                raise ValueError("inside")
        async with store.lock():
            holder = asyncio.ensure_future(hold_for_ever())
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder
        async with store.lock():
            pass

    async def hold_for_ever() -> None:
        async with store.lock():
            await asyncio.Event().wait()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_the_store_can_be_used_while_it_is_locked(store: Store) -> None:
    async def scenario() -> bytes | None:
        async with store.lock():
            store.save("refresh", b"new")
            return store.load("refresh")

    assert asyncio.run(scenario()) == b"new"


def test_a_claim_is_no_lock_and_can_be_taken_again_once_given_back(store: Store) -> None:
    async def scenario() -> None:
        async with store.lock():
            pass

    for _ in range(3):
        assert store.claim("pairing") and store.claim("another")
        asyncio.run(scenario())
        store.save("pairing", b"1")
        store.release("pairing")
        store.release("pairing")
        store.release("another")
    store.release("never taken")
    assert store.load("pairing") == b"1"
