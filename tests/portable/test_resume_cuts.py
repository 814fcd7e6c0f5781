"""The power goes at each operation of the store while a device pairs: it is paired in the end."""

from fakes import PowerCut
from place import Place, shown
from test_agent import MINUTE

RECORD = "pairing"


def life(place, cut, after):
    """One start, until the power goes at the write number `cut`, or for ten minutes; whether it went."""
    rig = place.boot()
    rig.store.cut, rig.store.cut_after = cut, after
    try:
        rig.run(rig.agent.run(), until=10 * MINUTE)
        went = False
    except PowerCut:
        went = True
    place.disk = rig.store.values.copy()
    return rig, went


def cuts(decide, writes, **settings):
    """(place, first life, number and side of the cut) for each of the `writes` there are at least."""
    for after in (False, True):
        number = 0
        while True:
            place = Place(decide, code_s=60, settings=settings)
            first, went = life(place, number, after)
            if not went:
                break
            yield place, first, (number, after)
            number += 1
        assert number >= writes


def paired_in_the_end(place):
    place.server.decide = "approve"
    rig = place.boot(off_ms=1000)
    rig.run(rig.agent.run(), until=3 * MINUTE)
    assert "token" in rig.store.values and place.server.too_fast == 0
    assert "error" not in rig.names() and "unpaired" not in rig.names()
    return rig


def test_a_pairing_that_is_approved():
    outcomes = set()
    for place, first, where in cuts("approve", 11):
        asked, answered = place.codes(), place.server.live_refresh_token is not None
        again = paired_in_the_end(place)
        if "token" in place.disk:
            # The code may be there still, spent; nothing comes of it.
            outcomes.add("paired")
            assert place.codes() == asked and again.names() == [], where
        elif answered:
            # Spent at the server, and its answer is gone: another code is the only way.
            outcomes.add("spent")
            assert shown(again)[0][0] == shown(first)[0][0] and place.codes() == asked + 1, where
        elif RECORD in place.disk:
            outcomes.add("code kept")
            assert place.codes() == asked, where
        else:
            outcomes.add("nothing shown")
            assert place.codes() == asked + 1 and shown(first) == [], where
    assert len(outcomes) == 4


def test_a_pairing_that_is_declined():
    for place, _, where in cuts("deny", 10):
        asked = place.codes()
        again = paired_in_the_end(place)
        assert place.codes() == asked + (RECORD not in place.disk), where
        assert again.names()[-1] == "paired"


def test_codes_that_run_out():
    for place, _, where in cuts("wait", 20, pairing={"codes": 2}):
        assert place.codes() <= 2
        again = paired_in_the_end(place)
        assert again.names()[-1] == "paired", where
        assert place.codes() <= 3
