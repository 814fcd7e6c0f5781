"""Shared parts of the portable tests: a server's answers as values, and machines brought to a state.

Runs under CPython and MicroPython. Times are milliseconds of a clock that the tests make up.
"""

import json

from pairlet.core.client import Client
from pairlet.core.device_grant import DeviceGrant
from pairlet.core.errors import PairletError
from pairlet.core.http import Response
from pairlet.core.machine import Send, Wait
from pairlet.core.metadata import ServerMetadata
from pairlet.core.refresh_grant import RefreshGrant
from pairlet.core.secret import Secret
from pairlet.core.token import Kept, Token

ISSUER = "https://auth.example"
DEVICE_CODE = "d3v1ce-c0de-hidden"
ACCESS_TOKEN = "acc3ss-t0ken-hidden"
REFRESH_TOKEN = "r3fresh-t0ken-hidden"
CLIENT_SECRET = "cl1ent-s3cret-hidden"
ALL_SECRETS = (DEVICE_CODE, ACCESS_TOKEN, REFRESH_TOKEN, CLIENT_SECRET)

SEED = b"\x17\x2a\x99\x04"


def answer(members, status=200, headers=()):
    """A JSON answer. `members`: any JSON value, or the body itself in bytes."""
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    return Response(status, [("content-type", "application/json")] + list(headers), body)


def error(code, status=400, headers=(), **more):
    """An OAuth error answer (RFC 6749 section 5.2)."""
    return answer(merged({"error": code}, more), status, headers)


def page(status=200, headers=()):
    """What a captive portal or a gateway in trouble answers."""
    return Response(
        status, [("content-type", "text/html; charset=utf-8")] + list(headers), b"<html>hi</html>"
    )


def merged(first, second):
    """Both dicts in a new one. A value of None in `second` takes the member out."""
    both = first.copy()
    for name in second:
        if second[name] is None:
            both.pop(name, None)
        else:
            both[name] = second[name]
    return both


def code_members(**changes):
    """A device authorization response (RFC 8628 section 3.2)."""
    members = {
        "device_code": DEVICE_CODE,
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://auth.example/device",
        "verification_uri_complete": "https://auth.example/device?user_code=WDJB-MJHT",
        "expires_in": 900,
        "interval": 5,
    }
    return merged(members, changes)


def token_members(**changes):
    """An access token response (RFC 6749 section 5.1)."""
    members = {
        "access_token": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": REFRESH_TOKEN,
        "scope": "telemetry",
    }
    return merged(members, changes)


def metadata_members(**changes):
    """A metadata document of ISSUER (RFC 8414 section 2)."""
    members = {
        "issuer": ISSUER,
        "device_authorization_endpoint": ISSUER + "/device_authorization",
        "token_endpoint": ISSUER + "/token",
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    }
    return merged(members, changes)


def metadata(**changes):
    """Metadata as the machines want it."""
    return ServerMetadata.from_answer(metadata_members(**changes), ISSUER)


def make_grant(kind=DeviceGrant, client=None, **options):
    """A DeviceGrant (or a subclass, `kind`) that has done nothing yet."""
    options.setdefault("seed", SEED)
    return kind(metadata(), client or Client("tv"), **options)


def grant_with_code(now=0, kind=DeviceGrant, options=None, **changes):
    """A DeviceGrant that got its code at `now`; `changes` go into the code's answer."""
    grant = make_grant(kind, **(options or {}))
    sent(grant, now)
    grant.receive(answer(code_members(**changes)), now)
    return grant


def make_refresh(kind=RefreshGrant, client=None, token=None, seed=SEED, previous=None, lost_since=None):
    """A RefreshGrant that has done nothing yet. `lost_since`: an earlier one had no answer."""
    kept = Kept(token or make_token(), Secret(previous) if previous else None, lost_since)
    return kind(metadata(), client or Client("tv"), kept, since=1700000000, seed=seed)


def make_token(now=0, **changes):
    """A Token as it comes from the server at `now`."""
    return Token.from_answer(token_members(**changes), now, scope="telemetry")


def secret_client(client_auth=None):
    """A confidential client."""
    return Client("tv", Secret(CLIENT_SECRET), client_auth)


def sent(machine, now):
    """The request that the machine wants to send at `now`; it has to be one."""
    action = machine.next_action(now)
    assert isinstance(action, Send), "wanted a request, got " + repr(action)
    return action.request


def due(machine, now):
    """When the machine wants to be asked again, seen at `now`; it has to want to wait."""
    action = machine.next_action(now)
    assert isinstance(action, Wait), "wanted to wait, got " + repr(action)
    assert action.until > now, "a wait that is over: the driver would spin"
    return action.until


def poll(grant, response, took=0, now=0):
    """Wait as told, poll, answer after `took` ms (None: the transport fails). Returns (sent at, ended at)."""
    action = grant.next_action(now)
    while isinstance(action, Wait):
        assert action.until > now
        now = action.until
        action = grant.next_action(now)
    assert isinstance(action, Send), "wanted a poll, got " + repr(action)
    if response is None:
        grant.transport_failed(now + took)
    else:
        grant.receive(response, now + took)
    return now, now + took


def fields(request):
    """The parameters in a request's body, decoded, as a list of pairs."""
    pairs = []
    for part in request.body.decode().split("&") if request.body else []:
        name, mark, value = part.partition("=")
        assert mark, "a parameter without '='"
        pairs.append((unquoted(name), unquoted(value)))
    return pairs


def unquoted(text):
    """Undo application/x-www-form-urlencoded."""
    raw = bytearray()
    position = 0
    while position < len(text):
        if text[position] == "%":
            raw.append(int(text[position + 1 : position + 3], 16))
            position += 3
        else:
            raw.append(0x20 if text[position] == "+" else ord(text[position]))
            position += 1
    return bytes(raw).decode()


def header(request, name):
    """The values of a request's header, whatever its case."""
    return [value for key, value in request.headers if key.lower() == name]


def refused(kind, call, *arguments, **options):
    """Call, and return the error of `kind` that it must raise."""
    try:
        result = call(*arguments, **options)
    except PairletError as error:
        assert isinstance(error, kind), "wanted %s, got %r" % (kind.__name__, error)
        assert str(error), "an error that says nothing"
        assert error.advice, "an error without advice"
        return error
    raise AssertionError("nothing was raised; the result was " + repr(result))
