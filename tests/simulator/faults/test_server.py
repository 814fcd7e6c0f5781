"""What comes over the wire in a scenario, and what the journal says of it."""

import json
import time
from email.utils import parsedate_to_datetime

import pytest
import requests
from pairlet_sim.faults.journal import ELSEWHERE, ISSUED, POLL, REFRESH, TROUBLE
from pairlet_sim.faults.steps import HUGE_BYTES
from pairlet_sim.person import walk
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout


def test_an_ordinary_pairing_with_pages_and_a_person(faults):
    client = faults.client("ordinary")
    metadata = client.get(client.issuer + "/.well-known/openid-configuration").json()
    assert metadata["issuer"] == client.issuer
    codes = client.ask()
    assert (codes["interval"], codes["expires_in"]) == (1, 120)
    assert client.poll(codes).json() == {"error": "authorization_pending"}
    tokens = client.settle(codes).json()
    assert tokens["token_type"] == "Bearer" and tokens["refresh_token"]
    assert client.refresh(tokens).status_code == 200
    evidence = faults.evidence("ordinary")
    # The decision of a person takes as many polls as it takes.
    seen = dict.fromkeys((each.kind, each.told) for each in evidence.exchanges)
    assert list(seen) == [
        ("metadata", "metadata"),
        ("device_authorization", "codes"),
        ("poll", "authorization_pending"),
        ("poll", "tokens"),
        ("refresh", "tokens"),
    ]
    assert not evidence.troubles


def test_a_person_may_deny(faults):
    client = faults.client("access_denied")
    codes = client.ask()
    answer = client.settle(codes)
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")


def test_people_may_decide_themselves(start):
    faults = start(simulated=False)
    client = faults.client("ordinary")
    codes = client.ask()
    for _ in range(3):
        assert client.poll(codes).json()["error"] in ("authorization_pending", "slow_down")
    cast = faults.server.cast
    walk(codes["verification_uri"], codes["user_code"], cast.username, cast.password)
    assert "access_token" in client.poll(codes).json()


def test_each_code_begins_anew_and_each_label_is_a_site_of_its_own(faults):
    other = faults.labelled()
    for each in (faults, faults, other):
        client = each.client("bad_gateway")
        codes = client.ask()
        assert (client.poll(codes).status_code, client.settle(codes).status_code) == (502, 200)
    assert len(faults.evidence("bad_gateway").codes) == 2
    assert len(other.evidence("bad_gateway").codes) == 1


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("interval_missing", lambda codes: "interval" not in codes),
        ("interval_null", lambda codes: codes["interval"] is None),
        ("interval_zero", lambda codes: codes["interval"] == 0),
        ("interval_negative", lambda codes: codes["interval"] == -5),
        ("interval_nan", lambda codes: codes["interval"] != codes["interval"]),
        ("interval_text", lambda codes: codes["interval"] == "2"),
        ("interval_float", lambda codes: codes["interval"] == 1.5),
        ("code_expires_in_float", lambda codes: codes["expires_in"] == 4.5),
        ("code_expires_in_text", lambda codes: codes["expires_in"] == "4"),
        ("code_expires_in_missing", lambda codes: "expires_in" not in codes),
        ("code_member_missing", lambda codes: "device_code" not in codes),
        ("verification_url", lambda codes: "verification_url" in codes and "verification_uri" not in codes),
        ("unknown_members", lambda codes: codes["self"] == 1),
        ("escapes_in_user_code", lambda codes: codes["user_code"].startswith("\x1b]0;")),
        ("bidi_in_user_code", lambda codes: "\u202e" in codes["user_code"]),
        ("verification_uri_script", lambda codes: codes["verification_uri"].startswith("javascript:")),
        ("verification_uri_plain_http", lambda codes: codes["verification_uri"].startswith("http://pairlet")),
    ],
)
def test_codes(faults, name, check):
    assert check(faults.client(name).ask())


@pytest.mark.parametrize(
    ("name", "number", "status", "error"),
    [
        ("slow_down", 1, 400, "slow_down"),
        ("slow_down_with_interval", 1, 200, "slow_down"),
        ("pending_with_200", 1, 200, "authorization_pending"),
        ("pending_with_403", 1, 403, "authorization_pending"),
        ("pending_with_403", 2, 429, "slow_down"),
        ("pending_with_428", 1, 428, "authorization_pending"),
        ("authorization_declined", 2, 400, "authorization_declined"),
        ("unknown_error", 2, 400, "device_flow_disabled"),
        ("expired_token_once", 2, 403, "expired_token"),
        ("expired_token_once", 3, 403, "invalid_grant"),
        ("nobody_decides", 9, 400, "authorization_pending"),
        ("temporarily_unavailable", 1, 503, "temporarily_unavailable"),
        ("escapes_in_error_description", 2, 400, "access_denied"),
    ],
)
def test_errors(faults, name, number, status, error):
    client = faults.client(name)
    codes = client.ask()
    for _ in range(number):
        answer = client.poll(codes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_who_polls_early_is_slowed_down_though_approved(faults):
    client = faults.client("rate_before_state")
    codes = client.ask()
    errors = [client.poll(codes).json().get("error") for _ in range(4)]
    assert errors == ["authorization_pending", "slow_down", "slow_down", "slow_down"]


def test_forms_unless_json_is_asked_for(faults):
    client = faults.client("forms_unless_asked")
    assert client.post("/device_authorization").text.startswith("device_code=")
    client.http.headers["accept"] = "application/json"
    assert "access_token" in client.settle(client.ask()).json()


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("long_tokens", "access_token", "a" * 4096),
        ("token_type_unknown", "token_type", "mac"),
        ("token_type_case", "token_type", "bEARER"),
        ("token_expires_in_text", "expires_in", "3600"),
        ("token_expires_in_float", "expires_in", 3599.5),
        ("token_expires_in_missing", "expires_in", None),
        ("no_refresh_token", "refresh_token", None),
        ("scope_narrower", "scope", ["profile"]),
    ],
)
def test_tokens(faults, name, member, value):
    client = faults.client(name)
    assert client.settle(client.ask()).json().get(member) == value


def test_members_twice(faults):
    assert faults.client("code_member_twice").post("/device_authorization").text.count('"device_code"') == 2
    client = faults.client("token_member_twice")
    twice = "authorization_pending"
    while "authorization_pending" in twice:  # as long as the person, on a busy machine, comes too late for it
        codes = client.ask()
        client.poll(codes)
        twice = client.poll(codes).text
    assert twice.count('"access_token"') == 2
    # The server never issued that one, so the next poll still gets the tokens.
    assert client.settle(codes).json()["refresh_token"]


# In between, and below


def test_rate_limits_and_pages(faults):
    def first_poll(name: str) -> requests.Response:
        client = faults.client(name)
        return client.poll(client.ask())

    answer = first_poll("too_many_requests")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "4")
    began = time.time()
    answer = first_poll("retry_after_date")
    until = parsedate_to_datetime(answer.headers["retry-after"]).timestamp()
    assert answer.status_code == 503 and began + 3 < until <= time.time() + 5
    answer = first_poll("captive_portal")
    assert answer.status_code == 200 and "<h1>Welcome" in answer.text
    assert first_poll("empty_object").text == "{}"
    with pytest.raises(json.JSONDecodeError):
        first_poll("truncated_json").json()
    assert faults.evidence("captive_portal").of(POLL)[0].outcome == TROUBLE


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("connection_reset", ConnectionError),
        ("cut_off", ChunkedEncodingError),
        ("not_http", ConnectionError),
    ],
)
def test_broken_connections(faults, name, failure):
    client = faults.client(name)
    codes = client.ask()
    with pytest.raises(failure):
        client.poll(codes)
    poll = faults.evidence(name).of(POLL)[0]
    assert poll.outcome == TROUBLE and poll.told and not poll.complete


@pytest.mark.parametrize("name", ["silence", "drip"])
def test_answers_that_do_not_end(faults, name):
    client = faults.client(name)
    codes = client.ask()
    began = time.monotonic()
    with pytest.raises((ReadTimeout, ConnectionError)) as caught:
        # Nobody can wait for the end of a drip, so this one gives up after the first bytes.
        answer = client.http.post(
            client.issuer + "/token",
            {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "conformance",
             "device_code": codes["device_code"]},
            timeout=(30, 0.25), stream=True,
        )  # fmt: skip
        for _ in answer.iter_content(1):
            pass
    assert "timed out" in str(caught.value)
    assert time.monotonic() - began < 25


def test_an_answer_of_60_mb_and_who_reads_it(faults):
    client = faults.client("huge_answer")
    codes = client.ask()
    answer = client.poll(codes)
    assert len(answer.content) == HUGE_BYTES
    assert answer.json()["error"] == "authorization_pending"
    poll = faults.evidence("huge_answer").of(POLL)[0]
    assert poll.complete and poll.sent == HUGE_BYTES


def test_a_redirect_and_who_follows_it(faults):
    client = faults.client("redirect")
    codes = client.ask()
    answer = client.poll(codes)
    assert answer.status_code == 307
    assert answer.headers["location"].partition("/elsewhere")[0] != client.issuer.partition("/s/")[0]
    assert not faults.evidence("redirect").of(ELSEWHERE)
    requests.post(answer.headers["location"], {"device_code": "secret"}, timeout=30)
    assert faults.evidence("redirect").of(ELSEWHERE)[0].value("device_code") == "secret"


# Refreshing


def paired(client):
    return client.settle(client.ask()).json()


def test_a_lost_answer_that_may_be_repeated(faults):
    client = faults.client("refresh_answer_lost")
    tokens = paired(client)
    with pytest.raises(ConnectionError):
        client.refresh(tokens)
    assert client.refresh(tokens).json()["refresh_token"] != tokens["refresh_token"]


def test_a_lost_answer_that_may_not(faults):
    client = faults.client("refresh_answer_lost_for_good")
    tokens = paired(client)
    with pytest.raises(ConnectionError):
        client.refresh(tokens)
    assert client.refresh(tokens).json()["error"] == "invalid_grant"


def test_a_refresh_that_the_server_never_saw(faults):
    client = faults.client("refresh_reset")
    tokens = paired(client)
    with pytest.raises(ConnectionError):
        client.refresh(tokens)
    assert client.refresh(tokens).json()["access_token"]


def test_the_journal_knows_the_newest_refresh_token(faults):
    client = faults.client("refresh_rotation")
    first = paired(client)
    second = client.refresh(first).json()
    client.refresh(second)
    newest = [each.newest for each in faults.evidence("refresh_rotation").of(REFRESH)]
    assert newest == [first["refresh_token"], second["refresh_token"]]
    client = faults.client("refresh_keeps_its_token")
    tokens = paired(client)
    assert "refresh_token" not in client.refresh(tokens).json()
    client.refresh(tokens)
    newest = [each.newest for each in faults.evidence("refresh_keeps_its_token").of(REFRESH)]
    assert newest == [tokens["refresh_token"]] * 2


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("refresh_server_error", [500, 503, 200]),
        ("refresh_captive_portal", [200, 200]),
        ("refresh_too_many_requests", [429, 200]),
        ("refresh_redirect", [307, 200]),
        ("refresh_invalid_client", [401, 200]),
        ("refresh_invalid_grant", [400, 400]),
    ],
)
def test_refreshes_that_fail(faults, name, statuses):
    client = faults.client(name)
    tokens = paired(client)
    assert [client.refresh(tokens).status_code for _ in statuses] == statuses


def test_a_revocation_that_has_to_wait(faults):
    client = faults.client("revocation_unavailable")
    tokens = paired(client)
    answer = client.post("/revoke", token=tokens["refresh_token"])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


# Choosing a scenario, and what the server says of it


def test_a_scenario_by_client_id(server):
    faults = server
    client = faults.client("ordinary", client_id="bad_gateway")
    client.issuer = faults.server.base
    metadata = client.get(client.issuer + "/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == client.issuer
    codes = client.ask()
    assert (client.poll(codes).status_code, client.settle(codes).status_code) == (502, 200)
    assert len(faults.evidence("bad_gateway").of(POLL)) >= 2
    basic = client.http.post(client.issuer + "/device_authorization", auth=("slow_down", ""), timeout=30)
    assert basic.status_code == 401  # a public client has no secret to show
    assert faults.evidence("slow_down").exchanges
    for unknown in ("nonsense", "metadata_wrong_issuer", "tls_expired", ""):
        answer = client.post("/device_authorization", client_id=unknown)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_verdict_for_whoever_can_not_be_run_as_a_command(faults):
    client = faults.client("slow_down")
    codes = client.ask()
    client.poll(codes)
    client.poll(codes)
    verdict = client.get(client.issuer + "/verdict").json()
    assert [each["told"] for each in verdict["exchanges"]] == ["codes", "slow_down", "authorization_pending"]
    assert verdict["findings"][0]["item"] == 18
    assert verdict["findings"][0]["section"] == "RFC 8628 section 3.5"
    assert codes["device_code"] not in json.dumps(verdict)


def test_what_is_not_there(faults):
    client = faults.client("ordinary")
    base = faults.server.base
    assert "bad_gateway" in client.get(base + "/").text
    assert client.get(base + "/nowhere").status_code == 404
    answer = client.get(base + "/s/bad_gatewy/verdict")
    assert answer.status_code == 404 and "Did you mean bad_gateway?" in answer.text
    assert "--https" in client.get(base + "/s/tls_expired/verdict").text
    assert client.get(client.issuer + "/token").status_code == 405
    assert client.http.post(client.issuer + "/token", b"\xff=%", timeout=30).status_code == 400


def test_metadata(faults):
    client = faults.client("metadata_wrong_issuer")
    place = "/.well-known/openid-configuration"
    assert client.get(client.issuer + place).json()["issuer"] == "https://somebody-else.example"
    client = faults.client("metadata_no_device_endpoint")
    assert "device_authorization_endpoint" not in client.get(client.issuer + place).json()
    client = faults.client("metadata_at_rfc8414_only")
    assert client.get(client.issuer + place).status_code == 404
    inserted = client.issuer.replace("/s/", "/.well-known/oauth-authorization-server/s/")
    assert client.get(inserted).json()["issuer"] == client.issuer


def test_a_confidential_client(start):
    faults = start(secret="a secret: +%")
    client = faults.client("ordinary")
    assert client.post("/device_authorization").status_code == 401
    assert client.post("/device_authorization", client_secret="a secret: +%").status_code == 200
    assert faults.evidence("ordinary").confidential


def test_certificates(start, tmp_path):
    ca_file = tmp_path / "ca.pem"
    faults = start(ca_file)
    trusting = faults.client("ordinary", verify=str(ca_file))
    codes = trusting.ask()
    assert trusting.settle(codes).status_code == 200  # and the simulated person trusted it, too
    for name, words in (("unknown_authority", "issuer"), ("wrong_name", "doesn't match|mismatch"),
                        ("expired", "expired")):  # fmt: skip
        with pytest.raises(requests.exceptions.SSLError, match=words):
            faults.client("tls_" + name, verify=str(ca_file)).ask()
    assert not faults.evidence("tls_expired").exchanges


def test_a_client_without_pauses_does_not_starve_the_others(faults):
    client = faults.client("nobody_decides")
    codes = client.ask()
    began = time.monotonic()
    for _ in range(12):
        assert client.poll(codes).json()["error"] == "authorization_pending"
    assert time.monotonic() - began > 0.3
    assert faults.evidence("nobody_decides").of(POLL)[-1].outcome != ISSUED
