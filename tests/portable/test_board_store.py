"""pairlet_board.store: two files a value, of which the newest complete one counts."""

import asyncio
import os

from board_disk import fresh_folder, read, write
from pairlet.core.errors import StoreError
from pairlet_board.store import HEADER, BoardStore, header, store_error


def make(folder=None):
    folder = folder or fresh_folder()
    return BoardStore(folder + "/state", sync=None), folder + "/state/"


def refused(call, *values):
    """The StoreError that call(*values) raises."""
    try:
        call(*values)
    except StoreError as error:
        return error
    raise AssertionError("no StoreError")


def test_saves_take_turns_and_the_newest_counts():
    store, place = make()
    for number in range(1, 6):
        value = b"value %d" % number
        store.save("token", value)
        assert store.load("token") == value
    assert sorted(os.listdir(place)) == ["token.0", "token.1"]
    assert read(place + "token.0") == header(5, b"value 5") + b"value 5"
    assert read(place + "token.1") == header(4, b"value 4") + b"value 4"


def test_another_object_reads_the_same():
    folder = fresh_folder()
    store, _ = make(folder)
    store.save("token", b"x" * 3000)
    again, _ = make(folder)
    assert again.load("token") == b"x" * 3000
    assert again.load("other") is None


def test_an_incomplete_file_is_as_if_it_had_never_been():
    store, place = make()
    store.save("token", b"old")
    whole = header(2, b"new value") + b"new value"
    for length in range(len(whole)):
        write(place + "token.1", whole[:length])
        assert store.load("token") == b"old", length
    write(place + "token.1", whole)
    assert store.load("token") == b"new value"


def test_the_first_value_cut_is_no_value():
    store, place = make()
    whole = header(1, b"first") + b"first"
    for length in range(len(whole)):
        write(place + "token.0", whole[:length])
        assert store.load("token") is None, length
        store.save("token", b"second")
        assert store.load("token") == b"second"
        store.delete("token")


def test_no_flipped_bit_passes():
    store, place = make()
    store.save("token", b"old")
    whole = header(2, b"new") + b"new"
    for index in range(len(whole)):
        bad = bytearray(whole)
        bad[index] ^= 0x10
        write(place + "token.1", bad)
        assert store.load("token") == b"old", index


def test_a_damaged_value_without_a_better_one_is_handed_out():
    # Not None: whoever reads it sets it aside, where None would have it overwritten.
    store, place = make()
    write(place + "token.0", header(1, b'{"a": 1}') + b'{"a": 7}')
    assert store.load("token") == b'{"a": 7}'
    where = store.set_aside("token")
    assert store.load("token") is None
    assert where.endswith("token.corrupt-1")
    assert read(where) == b'{"a": 7}'


def test_a_save_goes_beside_a_damaged_value():
    for slot in ("0", "1"):
        store, place = make()
        write(place + "token." + slot, header(0xFFFFFFFF, b"damaged") + b"DAMAGED")
        store.save("token", b"fresh")
        assert store.load("token") == b"fresh"
        store.save("token", b"fresher")
        assert store.load("token") == b"fresher"


def test_a_hostile_length_asks_for_no_memory():
    store, place = make()
    write(place + "token.0", b"\x01\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00rest")
    assert store.load("token") is None


def test_delete_leaves_nothing_behind():
    store, place = make()
    store.save("token", b"one")
    store.save("token", b"two")
    store.save("other", b"three")
    store.delete("token")
    store.delete("token")
    assert store.load("token") is None
    assert os.listdir(place) == ["other.0"]


def test_set_aside_overwrites_nothing():
    store, place = make()
    for number in (1, 2, 3):
        store.save("token", b"earlier")
        store.save("token", b"value %d" % number)
        assert store.set_aside("token") == place + "token.corrupt-%d" % number
        assert store.load("token") is None
    assert [read(place + "token.corrupt-%d" % number) for number in (1, 2, 3)] == [
        b"value 1",
        b"value 2",
        b"value 3",
    ]
    assert "token" in str(refused(store.set_aside, "token"))


def test_names_that_could_meet_others_are_refused():
    store, _ = make()
    for name in ("", "a.b", "a/b", "..", "A", "a b", "é", "x" * 65):
        for use in (store.load, store.delete, store.set_aside):
            refused(use, name)
        refused(store.save, name, b"")
    store.save("x" * 64, b"long")
    assert store.load("x" * 64) == b"long"


def test_sync_is_called_before_save_and_delete_return():
    folder = fresh_folder()
    calls = []
    store = BoardStore(folder + "/state", sync=lambda: calls.append(1))
    store.save("token", b"value")
    assert len(calls) == 1
    store.delete("token")
    assert len(calls) == 2


def test_trouble_is_a_store_error_and_the_old_value_stays():
    folder = fresh_folder()

    def fail():
        raise OSError(28, "no room")

    store, place = make(folder)
    store.save("token", b"old")
    broken = BoardStore(folder + "/state", sync=fail)
    error = refused(broken.save, "token", b"new")
    assert "flash is full" in str(error)
    assert store.load("token") == b"old"
    assert os.listdir(place) == ["token.0"]


def test_a_folder_that_can_not_be_is_a_store_error():
    folder = fresh_folder()
    write(folder + "/file", b"")
    refused(BoardStore, folder + "/file")
    refused(BoardStore, folder + "/missing/state")


def test_a_full_flash_keeps_what_is_there():
    folder = fresh_folder(blocks=12)
    if folder != "/disk":
        return  # only the RAM disk can be filled
    store, _ = make(folder)
    store.save("token", b"old")
    error = refused(store.save, "token", b"x" * 8000)
    assert "flash is full" in str(error), error
    assert store.load("token") == b"old"
    # ... and what fits is saved again: nothing half-written takes the room.
    store.save("token", b"y" * 1000)
    assert store.load("token") == b"y" * 1000


def test_errors_have_a_sentence_each():
    full = store_error("save", "/state/token.0", OSError(28, "no room"))
    other = store_error("save", "/state/token.0", OSError(5, "fault"))
    assert str(full) == "could not save /state/token.0: the flash is full"
    assert str(other) == "could not save /state/token.0: error 5"
    assert full.advice != other.advice


def test_one_lock_a_folder():
    folder = fresh_folder()
    stores = [make(folder)[0], make(folder)[0]]
    inside = []

    async def visit(store):
        for _ in range(3):
            async with store.lock():
                inside.append("in")
                await asyncio.sleep(0)
                inside.append("out")

    async def both():
        await asyncio.gather(visit(stores[0]), visit(stores[1]))

    asyncio.run(both())
    assert inside == ["in", "out"] * 6


def test_a_header_says_all_that_is_needed():
    assert len(header(1, b"")) == HEADER
    assert header(1, b"a") != header(2, b"a") != header(2, b"b")
    assert header(7, bytearray(b"abc")) == header(7, b"abc")
