"""A client of other makers: the table says of requests_oauth2client what was measured by hand before."""

import shlex

import pytest
from support.conformance import client, conformance

ADDRESSES = ("{device_authorization_endpoint}", "{token_endpoint}", "{client_id}", "{state_dir}")
SCRIPT = "with_requests_oauth2client.py"

PASSED = (
    "ordinary",
    "interval_missing",
    "interval_zero",
    "interval_null",
    "slow_down",
    "pending_with_200",
    "pending_with_403",
    "access_denied",
    "unknown_error",
    "long_tokens",
    "token_type_unknown",
    "refresh_rotation",
    "refresh_answer_lost",
)
# Each with the item it breaks, and words of what it did.
FAILED = {
    "interval_negative": (None, "ValueError"),
    "interval_text": (17, "TypeError"),
    "slow_down_with_interval": (None, "though the server had asked for 8 s"),
    "unknown_members": (30, "multiple values for argument 'self'"),
    "verification_url": (10, "verification_uri"),
    "bad_gateway": (21, "last answer: HTTP 502 and a web page"),
    "captive_portal": (21, "last answer: HTTP 200 and a web page"),
    "connection_reset": (21, "last answer: a reset connection"),
    "too_many_requests": (21, "last answer: HTTP 429"),
    "huge_answer": (None, "read 60 MB of one answer"),
    "redirect": (28, "followed the redirect and sent device_code to another origin"),
    "nobody_decides": (20, "times after its code had run out"),
    "escapes_in_user_code": (None, "escape sequences"),
    "refresh_keeps_its_token": (33, "MissingRefreshToken"),
    "refresh_redirect": (28, "followed the redirect and sent refresh_token"),
}


NOT_APPLICABLE = {
    "metadata_wrong_issuer": "the commands take no {issuer}, so there is no discovery",
    "revocation": "there is no --unpair command",
    "tls_expired": "the commands take no {ca_file}, so there is no TLS",
}


@pytest.mark.timeout(300)
def test_its_strong_and_its_weak_sides() -> None:
    then = shlex.join(client(SCRIPT, "token", *ADDRESSES))
    only = ",".join([*PASSED, *FAILED, *NOT_APPLICABLE])
    report = conformance("--only", only, "--then", then, "--", *client(SCRIPT, "pair", *ADDRESSES))
    assert report.outcomes() == (
        dict.fromkeys(PASSED, "passed")
        | dict.fromkeys(FAILED, "failed")
        | dict.fromkeys(NOT_APPLICABLE, "not applicable")
    ), report.rows
    for name, (item, words) in FAILED.items():
        assert item in report.items(name), (name, report.rows[name])
        assert words in report.did(name), (name, report.rows[name])
    for name, reason in NOT_APPLICABLE.items():
        assert report.rows[name]["reason"] == reason
    assert report.exit_code == 6
