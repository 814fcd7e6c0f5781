"""Any bytes as a command, any value from a handler: a typed answer, and nothing else."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pairlet.core.command import BUILT_IN, check, interval_ms, is_name, read, reply
from pairlet.core.command_error import CommandError
from pairlet.core.errors import ConfigError
from pairlet.core.handlers import check_result, handlers_of
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
WALLS = st.sampled_from([Wall(UNSET, None), Wall(FLOOR, 1_750_000_000), Wall(SYNCED, 1_750_000_000)])


def judged(name: str, payload: bytes, wall: Wall, late: bool) -> dict[str, Any]:
    """What would be answered to these bytes if nothing but reading, judging and answering took place."""
    result: object = None
    command_id = None
    try:
        command = read(name, payload)
        command_id = command.id
        check(command, list(BUILT_IN), list(BUILT_IN), wall, late)
        if name == "set-interval":
            result = {"interval": interval_ms(command.arguments)}
    except CommandError as error:
        result = error
    answer: dict[str, Any] = json.loads(reply(command_id, result))
    assert answer["ok"] is (not isinstance(result, CommandError))
    return answer


@given(st.sampled_from(BUILT_IN), st.binary(max_size=300), WALLS, st.booleans())
def test_any_bytes(name: str, payload: bytes, wall: Wall, late: bool) -> None:
    judged(name, payload, wall, late)


@given(st.sampled_from(BUILT_IN), JSON, WALLS, st.booleans())
def test_any_json(name: str, value: object, wall: Wall, late: bool) -> None:
    answer = judged(name, json.dumps(value).encode(), wall, late)
    if not isinstance(value, dict):
        assert answer["error"] == "invalid_request"


@given(
    st.sampled_from(BUILT_IN),
    st.fixed_dictionaries({}, optional={"id": JSON, "expires": JSON, "interval": JSON}),
    WALLS,
    st.booleans(),
)
def test_any_members(name: str, members: dict[str, object], wall: Wall, late: bool) -> None:
    answer = judged(name, json.dumps(members).encode(), wall, late)
    if answer["ok"] and name in ("restart", "unpair", "re-pair"):
        assert isinstance(members["id"], str)
    if answer["ok"] and name == "set-interval" and members["interval"] is not None:
        assert 100 <= answer["interval"] <= 7 * 86400000


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_whatever_a_handler_may_return_is_a_reply(result: dict[str, object]) -> None:
    try:
        checked = check_result(result)
    except CommandError as error:
        assert error.error == "failed"
        return
    answer = json.loads(reply("7", checked))
    assert answer["ok"] is True and answer["id"] == "7"
    assert all(answer[name] == result[name] for name in result if name not in ("ok", "id"))


@given(st.text(max_size=40))
def test_any_text_as_an_entry_for_a_handler(word: str) -> None:
    try:
        ((name, module, function),) = handlers_of([word])
    except ConfigError:
        return
    assert is_name(name) and module.replace(".", "_").isidentifier() and function.isidentifier()
