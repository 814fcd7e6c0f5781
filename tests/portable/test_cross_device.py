"""What a code on a screen can't protect against (RFC 8628 section 5.4), and what keeps the damage small."""

from pairlet.core.device_grant import EXPIRED, WAITING
from pairlet.core.machine import Send
from scenario import due, error, fields, grant_with_code, make_grant, poll, sent


def test_item_57_a_code_is_shown_for_its_own_time_however_short():
    for expires_in in (1, 6, 20):
        grant = grant_with_code(expires_in=expires_in)
        assert grant.code.expires_at == 1000 * expires_in
        now = 0
        while grant.state == WAITING:
            # One last poll at its end, for an approval in the last moment; then nothing keeps it alive.
            assert now <= max(1000 * expires_in, grant.interval_ms)
            poll(grant, error("authorization_pending"), now=now)
            now += grant.interval_ms
        assert grant.state == EXPIRED and grant.error.error == "expired_token"
        assert not isinstance(grant.next_action(now), Send)


def test_item_57_no_scope_is_asked_for_but_the_configured_one():
    assert "scope" not in [name for name, _ in fields(sent(make_grant(), 0))]
    grant = grant_with_code(options={"scope": "telemetry"})
    assert "scope" not in [name for name, _ in fields(sent(grant, due(grant, 0)))], "a poll asks for no more"
