"""pairlet.core.wall: wall-clock time with its trust."""

from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall


def test_three_states_of_trust():
    assert len({UNSET, FLOOR, SYNCED}) == 3
    wall = Wall(SYNCED, 1700000000)
    assert wall.state == SYNCED and wall.seconds == 1700000000
    assert Wall(UNSET, None).seconds is None
