"""pairlet.core.dialect: what is not a provider's, but the engine's."""

import json

from pairlet.core.answer import ERROR, FAULT, SUCCESS, read_answer
from pairlet.core.client import POST, Client
from pairlet.core.dialect import CODE, OTHER, POLL, REFRESH, Dialect, check, decoded, filled
from pairlet.core.errors import ConfigError
from pairlet.core.http import Request, Response
from pairlet.core.metadata import DEVICE_CODE
from pairlet.core.secret import Secret
from scenario import answer, error, page, refused

TOKEN = "https://auth.example/a/token"
AWKWARD = "a b+c%&=\u00e9\u20ac|{x}"


def asked(table, pairs, scope="", client=None):
    """What a request of the core becomes: (request, kind, pairs or members)."""
    request, kind = Dialect(table, scope).request((client or Client("tv")).request(TOKEN, pairs))
    is_json = table.get("format") == "json"
    return request, kind, json.loads(request.body) if is_json else decoded(request.body)


def read(table, response, kind=POLL):
    """What a machine makes of an answer."""
    return read_answer(Dialect(table).response(response, kind))


def test_an_empty_dialect_changes_nothing():
    client = Client("t v", Secret("s&c"))
    before = client.request(TOKEN, [("grant_type", DEVICE_CODE), ("device_code", AWKWARD)])
    after, kind = Dialect({}).request(before)
    assert (after.method, after.url, after.body, kind) == ("POST", TOKEN, before.body, POLL)
    assert sorted(after.headers) == sorted(before.headers)
    same = answer({"access_token": "x", "token_type": "Bearer"})
    assert read({}, same).members == json.loads(same.body)


def test_what_a_request_asks_for():
    for pairs, kind in (
        ([("scope", "a")], CODE),
        ([], CODE),
        ([("grant_type", DEVICE_CODE), ("device_code", "d")], POLL),
        ([("grant_type", "refresh_token"), ("refresh_token", "r")], REFRESH),
        ([("grant_type", "client_credentials")], OTHER),
        ([("grant_type", "authorization_code"), ("code", "c")], OTHER),
        ([("token", "t")], OTHER),
    ):
        assert asked({}, pairs)[1] == kind, pairs


def test_any_value_arrives_in_a_form_and_in_json():
    for table in ({}, {"format": "json"}):
        _, _, found = asked(table, [("grant_type", "x"), ("it", AWKWARD)])
        assert dict(found)["it"] == AWKWARD


def test_a_parameter_that_may_repeat_does():
    pairs = [("resource", "urn:a"), ("resource", "urn:b"), ("grant_type", "x")]
    assert [pair for pair in asked({}, pairs)[2] if pair[0] == "resource"] == pairs[:2]
    assert asked({"format": "json"}, pairs)[2]["resource"] == ["urn:a", "urn:b"]


def test_set_replaces_adds_and_leaves_out():
    table = {CODE: {"set": {"scope": "", "scopes": "{scope}", "who": "{client_id}/{nobody}"}, "path": "/x"}}
    request, _, pairs = asked(table, [("scope", "a b")])
    assert sorted(pairs) == [("client_id", "tv"), ("scopes", "a b"), ("who", "tv/")]
    assert request.url == "https://auth.example/x"
    assert dict(asked(table, [("token", "t")])[2]) == {"client_id": "tv", "token": "t"}


def test_secrets_can_be_put_together():
    client = Client("app", Secret("s3cret"), POST)
    table = {CODE: {"set": {"client_id": "", "client_secret": "", "key": "{client_id}|{client_secret}"}}}
    request, _, pairs = asked(table, [], client=client)
    assert pairs == [("key", "app|s3cret")]
    assert "s3cret" not in repr(request)


def test_what_is_carried_comes_back_with_each_poll():
    table = {"carry": "user_code", POLL: {"set": {"user_code": "{user_code}"}}}
    members = read(table, answer({"device_code": "d|1", "user_code": "AB-12"}), CODE).members
    assert members["device_code"] == "d|1|AB-12" and members["user_code"] == "AB-12"
    poll = [("grant_type", DEVICE_CODE), ("device_code", members["device_code"])]
    pairs = dict(asked(table, poll)[2])
    assert (pairs["device_code"], pairs["user_code"]) == ("d|1", "AB-12")


def test_what_was_carried_does_not_hide_a_secret_that_is_quoted():
    dialect = Dialect({"carry": "user_code"})
    poll = [("grant_type", DEVICE_CODE), ("device_code", "s3cret-code|AB-12")]
    _, kind = dialect.request(Client("tv").request(TOKEN, poll))
    said = error("invalid_grant", error_description="no such code: s3cret-code")
    found = read_answer(dialect.response(said, kind), Secret("s3cret-code|AB-12"))
    assert found.error.error_description == "no such code: <secret>"


def test_where_the_error_is():
    table = {
        "error": ["error.sub", "error.code", "message"],
        "description": "error.text",
        "words": {"7": "slow_down"},
    }
    for members, code in (
        ({"error": {"sub": 7, "code": 1, "text": "Easy"}}, "slow_down"),
        ({"error": {"code": 190, "text": "Easy"}}, "190"),
        ({"message": "no such thing"}, "no such thing"),
    ):
        found = read(table, answer(members, 400))
        assert (found.kind, found.error.error) == (ERROR, code)
    assert read(table, answer({"error": {"sub": 7, "text": "Easy"}}, 400)).error.error_description == "Easy"
    # Nothing there that anybody could read.
    for members in ({"error": {"sub": None}}, {"error": {"sub": True}}, {"error": [7]}, {"message": {}}, {}):
        assert read(table, answer(members, 400)).kind == FAULT, members


def test_words_are_told_apart_from_what_nobody_knows():
    table = {"words": {"no entry": "access_denied"}}
    assert read(table, answer({"error": "No Entry"}, 400)).error.error == "access_denied"
    assert read(table, answer({"error": "other"}, 200)).error.error == "other"
    assert read(table, answer({"error": 'quo"te'}, 400)).kind == FAULT


def test_a_status_speaks_where_there_is_no_word_and_only_to_a_poll():
    table = {"statuses": {"418": "access_denied", "400": "authorization_pending"}}
    empty = Response(418, [], b"")
    assert read(table, empty).error.error == "access_denied"
    assert read(table, empty, REFRESH).kind == FAULT
    assert read(table, answer({}, 400)).error.error == "authorization_pending"
    assert read(table, answer({"error": "invalid_grant"}, 400)).error.error == "invalid_grant"
    assert read(table, Response(503, [], b"")).kind == FAULT
    for status in (418, 400, 502):
        assert read(table, page(status)).kind == FAULT
    assert read({}, Response(200, [], b""), OTHER).kind == FAULT


def test_a_status_of_its_own_speaks_to_a_refresh():
    table = {"refresh_statuses": {"400": "invalid_grant"}}
    empty = Response(400, [], b"")
    assert read(table, empty, REFRESH).error.error == "invalid_grant"
    assert read(table, answer({"error": "invalid_client"}, 400), REFRESH).error.error == "invalid_client"
    for kind in (CODE, POLL, OTHER):
        assert read(table, empty, kind).kind == FAULT, kind
    for other in (
        Response(503, [], b""),
        Response(403, [], b""),
        page(400),
        Response(400, [], b"Bad Request"),
    ):
        assert read(table, other, REFRESH).kind == FAULT


def test_a_success_is_no_error():
    table = {"error": ["message"], "words": {"hello": "access_denied"}, "defaults": {"token_type": "Bearer"}}
    found = read(table, answer({"access_token": "x", "message": "hello"}))
    assert (found.kind, found.members["token_type"]) == (SUCCESS, "Bearer")
    assert read(table, answer({"access_token": "x", "token_type": "mac"})).members["token_type"] == "mac"
    made = {"defaults": {"verification_uri_complete": "{verification_uri}?c={user_code}"}}
    code = {"device_code": "d", "user_code": "u", "verification_uri": "https://a.example"}
    complete = read(made, answer(code), CODE).members["verification_uri_complete"]
    assert complete == "https://a.example?c=u"
    del code["verification_uri"]
    assert "verification_uri_complete" not in read(made, answer(code), CODE).members


def test_scopes_in_their_own_spelling():
    table = {"scope_separator": ",", "granted_separator": ","}
    assert dict(asked(table, [("scope", "a b")])[2])["scope"] == "a,b"
    assert read(table, answer({"access_token": "x", "scope": "a,b"})).members["scope"] == "a b"
    assert read(table, answer({"access_token": "x", "scope": ["a"]})).members["scope"] == ["a"]


def test_headers_of_an_answer_stay():
    response = answer({"error": "wait"}, 429, [("retry-after", "7")])
    assert read({"words": {"wait": "slow_down"}}, response).retry_after_ms == 7000


def test_any_bytes_are_an_answer_or_a_fault():
    table = {
        "names": {"device_code": "code"}, "error": ["a.b", "c"], "description": "a.b", "carry": "c",
        "statuses": {"400": "x"}, "defaults": {"d": "{c}"}, "granted_separator": ",",
    }  # fmt: skip
    whole = b'{"a": {"b": 1}, "c": "x", "code": [1.5, null, "\\ud800"], "access_token": "t", "scope": 5}'
    bodies = [whole[:end] for end in range(len(whole) + 1)] + [
        b"[]",
        b"null",
        b'{"a": {"b": {}}}',
        b"\xff",
        b'{"c": ""}',
    ]
    for body in bodies:
        for kind in (CODE, POLL, OTHER):
            for status in (200, 400):
                assert read(table, Response(status, [], body), kind).kind in (SUCCESS, ERROR, FAULT)


def test_a_table_that_can_not_be_used_is_refused_by_name():
    for table, word in (
        ("text", "no table"),
        ({"fromat": "json"}, "fromat"),
        ({"format": "xml"}, "format"),
        ({"format": "query"}, "query"),
        ({"format": 5}, "format"),
        ({"names": {"a": 5}}, "names"),
        ({"names": ["a"]}, "names"),
        ({"error": "message"}, "error"),
        ({"error": [5]}, "error"),
        ({"poll": {"set": []}}, "poll"),
        ({"poll": {"sets": {}}}, "poll"),
        ({"poll": {"path": "token"}}, "poll"),
        ({"poll": {"path": 5}}, "poll"),
        ({"statuses": {"400": 5}}, "statuses"),
        ({"refresh_statuses": "400"}, "refresh_statuses"),
        ({"registration": {"path": "/r"}}, "registration"),
        (
            {"registration": {"path": "/r", "client_id": "a", "client_secret": "b", "other": "c"}},
            "registration",
        ),
        (
            {"registration": {"path": "/r", "client_id": "a", "client_secret": "b", "asks": []}},
            "registration",
        ),
    ):
        found = refused(ConfigError, check, table, "file")
        assert word in str(found) and "file" in str(found) and found.advice, (table, str(found))
    check({"registration": {"path": "/r", "client_id": "a", "client_secret": "b", "asks": {}}}, "file")


def test_templates():
    assert filled("", {}) == "" and filled("plain", {}) == "plain"
    assert filled("{a}-{b}{a", {"a": "1", "b": "{a}"}) == "1-{a}1"


def test_requests_without_a_body_stay_readable():
    request, kind = Dialect({}).request(Request("POST", TOKEN, [], b""))
    assert (request.body, kind) == (b"", CODE)
