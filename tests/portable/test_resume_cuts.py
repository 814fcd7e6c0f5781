"""The power goes at each operation of the store while a device pairs: it is paired in the end."""

from fakes import MemoryStore
from place import Place, shown
from test_agent import MINUTE

RECORD = "pairing"


class PowerCut(Exception):
    """The device is off."""


class CutStore(MemoryStore):
    """Loses power at the operation number `cut_at` of those that change something, `after` it or before."""

    cut_at = -1
    after = False

    def __init__(self, values=None):
        super().__init__(values)
        self.count = 0
        self.what = ""
        self.off = False

    def load(self, name):
        self._on()
        return super().load(name)

    def save(self, name, value):
        self._change("save " + name, lambda: MemoryStore.save(self, name, value))

    def delete(self, name):
        self._change("delete " + name, lambda: MemoryStore.delete(self, name))

    def _on(self):
        if self.off:
            raise PowerCut()

    def _change(self, what, act):
        self._on()
        self.count += 1
        if self.count != self.cut_at + 1:
            act()
            return
        if self.after:
            act()
        self.off, self.what = True, what
        raise PowerCut()


def life(place, store):
    """One start until it is off, or for ten minutes."""
    rig = place.boot(store=store)
    try:
        rig.run(rig.agent.run(), until=10 * MINUTE)
    except PowerCut:
        pass
    place.disk = rig.store.values.copy()
    return rig


def cuts(decide, **settings):
    """(place, first life, operation, after) for a power cut at each operation, before and after it."""
    for after in (False, True):
        number = 0
        while True:
            store = type("Cut", (CutStore,), {"cut_at": number, "after": after})
            place = Place(decide, code_s=60, settings=settings)
            first = life(place, store)
            if not first.store.off:
                break
            yield place, first, first.store.what, after
            number += 1
        assert number >= 10


def paired_in_the_end(place):
    place.server.decide = "approve"
    rig = place.boot(off_ms=1000)
    rig.run(rig.agent.run(), until=3 * MINUTE)
    assert "token" in rig.store.values and place.server.too_fast == 0
    assert "error" not in rig.names() and "unpaired" not in rig.names()
    return rig


def test_a_pairing_that_is_approved():
    for place, first, what, after in cuts("approve"):
        asked = place.codes()
        again = paired_in_the_end(place)
        where = (what, after)
        if "token" in place.disk:
            # The code may be there still, spent; nothing comes of it.
            assert place.codes() == asked and again.names() == [], where
        elif what == "save token":
            # Spent at the server, and its answer is gone: another code is the only way.
            assert shown(again)[0][0] == shown(first)[0][0] and place.codes() == asked + 1, where
        elif RECORD in place.disk:
            assert place.codes() == asked, where
        else:
            assert place.codes() == asked + 1 and shown(first) == [], where


def test_a_pairing_that_is_declined():
    for place, _, what, after in cuts("deny"):
        asked = place.codes()
        again = paired_in_the_end(place)
        assert place.codes() == asked + (RECORD not in place.disk), (what, after)
        assert again.names()[-1] == "paired"


def test_codes_that_run_out():
    for place, _, what, after in cuts("wait", pairing={"codes": 2}):
        assert place.codes() <= 2
        again = paired_in_the_end(place)
        assert again.names()[-1] == "paired", (what, after)
        assert place.codes() <= 3


def test_the_store_of_these_tests_does_lose_power():
    store = CutStore({"a": b"1"})
    store.cut_at, store.after = 1, True
    store.save("b", b"2")
    for act in (lambda: store.delete("a"), lambda: store.load("b"), lambda: store.save("c", b"3")):
        try:
            act()
        except PowerCut:
            continue
        raise AssertionError("the power did not go")
    assert store.values == {"b": b"2"}
