"""What a server makes of a token (RFC 7662): the request, and any bytes as its answer."""

import json

from pairlet.core.client import Client
from pairlet.core.errors import ConfigError, OAuthError, PairletError, ProtocolError
from pairlet.core.http import Response
from pairlet.core.introspection import Introspection, introspection_request, read_introspection
from pairlet.core.secret import Secret
from scenario import (
    ACCESS_TOKEN,
    ISSUER,
    answer,
    error,
    fields,
    header,
    metadata,
    page,
    refused,
    secret_client,
)

TOKEN = Secret(ACCESS_TOKEN)
# The example of section 2.2.
MEMBERS = {
    "active": True,
    "client_id": "l238j323ds-23ij4",
    "username": "jdoe",
    "scope": "read write dolphin",
    "sub": "Z5O3upPC88QrAjx00dis",
    "aud": "https://protected.example.net/resource",
    "iss": "https://server.example.com/",
    "exp": 1419356238,
    "iat": 1419350238,
    "extension_field": "twenty-seven",
}


def changed(name, value):
    members = MEMBERS.copy()
    members[name] = value
    return read_introspection(answer(members))


def test_the_request():
    request = introspection_request(
        metadata(introspection_endpoint=ISSUER + "/introspect"), secret_client(), TOKEN, "access_token"
    )
    assert request.method == "POST" and request.url == ISSUER + "/introspect"
    assert fields(request) == [("token", ACCESS_TOKEN), ("token_type_hint", "access_token")]
    assert header(request, "authorization")
    refused(ConfigError, introspection_request, metadata(), Client("tv"), TOKEN, "access_token")


def test_the_example_of_the_rfc():
    said = read_introspection(answer(MEMBERS))
    assert said == Introspection(True, "read write dolphin", "l238j323ds-23ij4", 1419356238)


def test_of_a_token_that_is_not_active_nothing_else_counts():
    for more in ({}, {"scope": "a", "client_id": "b", "exp": 4}):
        members = {"active": False}
        members.update(more)
        assert read_introspection(answer(members)) == Introspection(False, None, None, None)


def test_active_is_a_boolean_or_nothing_is_said():
    for value in (None, "true", "false", 1, 0, [], {}, "", 1.0):
        refused(ProtocolError, changed, "active", value)
    refused(ProtocolError, read_introspection, answer({}))


def test_what_makes_no_sense_beside_it_counts_as_not_said():
    for value in (None, 7, [], {}, "", "a\x1b[31m", "x" * 5000, True):
        assert changed("scope", value).scope is None and changed("client_id", value).client_id is None
    for value in (None, "soon", [], {}, True, -1, 0):
        assert changed("exp", value).expires_at is None
    assert changed("exp", "1419356238").expires_at == changed("exp", 1419356237.5).expires_at == 1419356238


def test_a_refusal_is_no_word_about_the_token():
    for code in ("invalid_client", "invalid_request", "invalid_token"):
        try:
            read_introspection(error(code, 401, error_description="no " + ACCESS_TOKEN), TOKEN)
            raise AssertionError("it was read")
        except OAuthError as refusal:
            assert refusal.error == code and ACCESS_TOKEN not in str(refusal)
    for response in (page(200), page(503), answer({}, 404), answer([1]), answer(b""), Response(204, [], b"")):
        refused(ProtocolError, read_introspection, response)


def test_any_bytes_give_a_value_or_a_typed_error():
    whole = json.dumps(MEMBERS).encode()
    for end in range(len(whole)):
        refused(ProtocolError, read_introspection, answer(whole[:end]))
    for place in range(len(whole)):
        for byte in (0x00, 0x22, 0x7B, 0x7D, 0x31, 0xFF):
            try:
                said = read_introspection(answer(whole[:place] + bytes([byte]) + whole[place + 1 :]))
            except PairletError:
                continue
            assert said.active is True
