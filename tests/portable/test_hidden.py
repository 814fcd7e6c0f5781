"""Nothing that the core makes shows a secret: no repr, no str, no repr of its attributes, no error."""

from pairlet.core.answer import read_answer
from pairlet.core.client import BASIC, NONE, POST
from pairlet.core.device_grant import DeviceCode
from pairlet.core.errors import PairletError
from pairlet.core.mqtt import Credentials
from pairlet.core.secret import Secret
from scenario import (
    ACCESS_TOKEN,
    ALL_SECRETS,
    answer,
    code_members,
    error,
    grant_with_code,
    make_grant,
    make_refresh,
    make_token,
    poll,
    refused,
    secret_client,
    sent,
    token_members,
)


def shown(thing):
    """All text that a log, a debugger or a careless print could make of `thing`."""
    attributes = thing.__dict__ if hasattr(thing, "__dict__") else {}
    return (
        repr(thing)
        + str(thing)
        + f"{thing}"
        + "%s %r" % (thing, thing)
        + repr([thing])
        + repr({"x": thing})
        + repr(attributes)
    )


def hides(*things):
    for thing in things:
        text = shown(thing)
        for secret in ALL_SECRETS:
            assert secret not in text, text


def in_between(grant):
    """The grant, and what it holds."""
    return [grant] + [
        part for part in (grant.code, grant.token, grant.error, grant.fault) if part is not None
    ]


def test_item_11_item_35_device_grant_from_beginning_to_end():
    for method in (NONE, BASIC, POST):
        for last in (
            answer(token_members()),
            error("access_denied"),
            error("invalid_grant"),
            answer({}),
            None,
        ):
            grant = make_grant(client=secret_client(method))
            hides(*in_between(grant))
            sent(grant, 0)
            grant.receive(answer(code_members()), 0)
            hides(*in_between(grant))
            poll(grant, last)
            hides(*in_between(grant))


def test_item_35_refresh_grant():
    for response in (
        answer(token_members()),
        error("invalid_grant"),
        error("server_error"),
        answer(b"<"),
        None,
    ):
        grant = make_refresh(client=secret_client())
        hides(grant)
        sent(grant, 0)
        if response is None:
            grant.transport_failed(0)
        else:
            grant.receive(response, 0)
        hides(grant, grant.kept, grant.error, grant.fault)


def test_values():
    hides(make_token(), secret_client(), secret_client(POST), Credentials("u", Secret(ACCESS_TOKEN)))
    hides(DeviceCode.from_answer(code_members(), 0, False))


def test_requests_and_responses():
    for method in (BASIC, POST):
        grant = grant_with_code(options={"client": secret_client(method)})
        request = sent(grant, 5000)
        refresh = sent(make_refresh(client=secret_client(method)), 0)
        for thing in (request, refresh, answer(token_members()), answer(code_members())):
            text = repr(thing) + str(thing) + f"{thing}" + repr([thing])
            for secret in ALL_SECRETS:
                assert secret not in text


def test_an_action_can_be_printed():
    grant = grant_with_code(options={"client": secret_client(POST)})
    action = grant.next_action(5000)
    for secret in ALL_SECRETS:
        assert secret not in repr(action) + str(action)


def test_an_answer_that_was_read_can_be_printed():
    for response in (answer(token_members()), answer(code_members()), answer(token_members(), 500)):
        text = repr(read_answer(response)) + str(read_answer(response))
        for secret in ALL_SECRETS:
            assert secret not in text


def test_errors_about_secrets_do_not_hold_them():
    for name, members, read in (
        ("device_code", code_members(), grant_with_code),
        ("access_token", token_members(), make_token),
        ("refresh_token", token_members(), make_token),
    ):
        for bad in (members[name] + "\r\n", members[name] + "\u00e9", [members[name]], {members[name]: 1}):
            if name == "device_code":
                grant = read(device_code=bad)
                hides(grant.error, grant)
            else:
                hides(refused(PairletError, read, **{name: bad}))


def test_bodies_that_can_not_be_read_do_not_show_up():
    for body in (
        b'{"access_token":"%s"' % ACCESS_TOKEN.encode(),
        ACCESS_TOKEN.encode(),
        b'["%s"]' % ACCESS_TOKEN.encode(),
    ):
        grant = make_refresh()
        sent(grant, 0)
        grant.receive(answer(body), 0)
        hides(grant.fault, grant)
