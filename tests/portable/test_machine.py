"""pairlet.core.machine: the table decides."""

from pairlet.core.errors import ProtocolError
from pairlet.core.machine import Machine, Send, Wait
from scenario import refused


class Door(Machine):
    TRANSITIONS = {("open", "push"): "shut", ("shut", "pull"): "open"}


def test_follows_its_table():
    door = Door("open")
    door.step("push")
    assert door.state == "shut"
    door.step("pull")
    assert door.state == "open"


def test_refuses_what_the_table_does_not_have():
    door = Door("open")
    for event in ("pull", "kick", ""):
        error = refused(ProtocolError, door.step, event)
        assert "Door" in str(error) and "open" in str(error)
        assert door.state == "open"


def test_check_changes_nothing():
    door = Door("open")
    door.check("push")
    assert door.state == "open"
    refused(ProtocolError, door.check, "pull")


def test_actions_are_values():
    assert Wait(5).until == 5 and Send("r").request == "r"
    assert "open" in repr(Door("open"))
