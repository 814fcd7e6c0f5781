"""Tokens that are bound to a key (DPoP, RFC 9449): what the machines know of them, and what they refuse."""

from pairlet.core.client import Client
from pairlet.core.errors import ConfigError, ProtocolError
from pairlet.core.refresh_grant import REFRESHED, REFUSED, RefreshGrant
from pairlet.core.secret import Secret
from pairlet.core.token import BEARER, DPOP, Kept, Token
from pairlet.core.token_record import from_record, to_record
from pairlet.core.wall import UNSET, Wall
from scenario import answer, make_token, metadata, refused, token_members


class Key:
    """A key pair, as far as the core knows."""

    def thumbprint(self):
        return "th-umb"


def bound_client():
    client = Client("tv")
    client.key = Key()
    return client


def bound_token():
    return Token.from_answer(token_members(token_type="dpop"), 0, token_type=DPOP)


def refreshing(client, token, members):
    grant = RefreshGrant(metadata(), client, Kept(token, None, None))
    grant.next_action(0)
    grant.receive(answer(members), 0)
    return grant


def test_a_client_with_a_key_asks_for_bound_tokens():
    assert Client("tv").token_type == BEARER and bound_client().token_type == DPOP


def test_item_34_item_57_a_bearer_token_in_the_place_of_a_bound_one_is_refused():
    for token_type in ("Bearer", "mac", "", None, 5):
        members = token_members()
        members["token_type"] = token_type
        error = refused(ProtocolError, Token.from_answer, members, 0, token_type=DPOP)
        assert "only DPoP" in str(error) and "oauth.dpop" in error.advice


def test_the_type_stays_with_the_token():
    token = bound_token()
    assert token.token_type == DPOP and token.with_refresh_token(Secret("x")).token_type == DPOP
    record = to_record(Kept(token, None, None), 0, Wall(UNSET, None))
    assert record["token_type"] == "DPoP"
    assert from_record(record, 0, Wall(UNSET, None)).token.token_type == DPOP
    for damaged in (None, 5, "mac", "Bearer"):
        record["token_type"] = damaged
        assert from_record(record, 0, Wall(UNSET, None)).token.token_type == BEARER


def test_a_refresh_keeps_the_type_and_may_better_it():
    for token in (bound_token(), make_token()):
        grant = refreshing(bound_client(), token, token_members(token_type="DPoP"))
        assert grant.state == REFRESHED and grant.kept.token.token_type == DPOP


def test_a_downgrade_in_a_refresh_loses_no_refresh_token():
    grant = refreshing(bound_client(), bound_token(), token_members(refresh_token="rotated"))
    assert grant.state == REFUSED and "only DPoP" in str(grant.error)
    assert grant.kept.token.refresh_token.reveal() == "rotated" and grant.kept.token.token_type == DPOP


def test_a_bound_token_is_not_spent_without_its_key():
    kept = Kept(bound_token(), None, None)
    error = refused(ConfigError, RefreshGrant, metadata(), Client("tv"), kept)
    assert "oauth.dpop" in error.advice
