"""Giving a grant back (RFC 7009): what is sent, what each answer means, and what is tried again."""

import json

from fakes import MemoryBroker, MemoryStore, PowerCut
from pairlet.core.client import POST, Client
from pairlet.core.errors import ConfigError, OAuthError, ProtocolError, TransportError
from pairlet.core.http import Response
from pairlet.core.metadata import ServerMetadata
from pairlet.core.revocation import ASKING, READY, REFUSED, REVOKED, Revocation
from pairlet.core.secret import Secret
from pairlet.drive import Patience
from scenario import (
    ISSUER,
    REFRESH_TOKEN,
    SEED,
    answer,
    due,
    error,
    fields,
    header,
    metadata,
    metadata_members,
    page,
    refused,
    secret_client,
    sent,
)
from test_agent import MINUTE, Rig
from test_keeping import restarted

ENDPOINT = ISSUER + "/revoke"


def make_revocation(client=None, hint="refresh_token", endpoint=ENDPOINT):
    return Revocation(
        metadata(revocation_endpoint=endpoint), client or Client("tv"), Secret(REFRESH_TOKEN), hint, seed=SEED
    )


def after(response, now=0):
    """A Revocation that got `response` (None: no answer)."""
    revocation = make_revocation()
    sent(revocation, now)
    if response is None:
        revocation.transport_failed(now)
    else:
        revocation.receive(response, now)
    return revocation


def test_item_38_the_request():
    request = sent(make_revocation(), 0)
    assert request.method == "POST" and request.url == ENDPOINT
    assert fields(request) == [
        ("token", REFRESH_TOKEN),
        ("token_type_hint", "refresh_token"),
        ("client_id", "tv"),
    ]


def test_item_38_a_confidential_client_authenticates():
    assert header(sent(make_revocation(secret_client()), 0), "authorization")
    names = [name for name, _ in fields(sent(make_revocation(secret_client(POST)), 0))]
    assert "client_secret" in names


def test_item_38_an_endpoint_that_is_not_https_is_refused():
    for address in ("http://auth.example/revoke", "ftp://auth.example/revoke", "auth.example/revoke", ""):
        members = metadata_members(revocation_endpoint=address)
        refused(ProtocolError, ServerMetadata.from_answer, members, ISSUER)
    refused(ConfigError, make_revocation, endpoint=None)


def test_item_40_a_200_is_all_it_takes_whatever_is_in_it():
    for body in (b"", b"{}", b"<html>", b'{"error":"invalid_request"}', b"\xff", b"null"):
        revocation = after(Response(200, [], body))
        assert revocation.state == REVOKED and revocation.error is None and revocation.fault is None
        assert revocation.next_action(10**9) is None


def test_item_41_an_error_is_final():
    for code in ("unsupported_token_type", "invalid_client", "invalid_request", "unauthorized_client"):
        revocation = after(error(code))
        assert revocation.state == REFUSED and isinstance(revocation.error, OAuthError)
        assert revocation.error.error == code and revocation.next_action(10**9) is None


def test_item_41_a_503_means_that_the_token_still_exists():
    revocation = after(page(503, [("retry-after", "600")]), 1000)
    assert revocation.state == READY and due(revocation, 1000) == 601000
    assert fields(sent(revocation, 601000))[0] == ("token", REFRESH_TOKEN)


def test_trouble_is_met_with_a_growing_pause():
    revocation = make_revocation()
    now, ceiling = 0, 2000
    for response in (
        None,
        page(502),
        error("server_error"),
        answer({}, 404),
        page(302),
        answer({}, 429),
        None,
    ):
        sent(revocation, now)
        assert revocation.state == ASKING
        if response is None:
            revocation.transport_failed(now)
        else:
            revocation.receive(response, now)
            assert isinstance(revocation.fault, ProtocolError)
        until = due(revocation, now)
        assert ceiling // 2 < until - now <= ceiling
        now, ceiling = until, 2 * ceiling


# ---- the agent -------------------------------------------------------------------------------


def paired(**options):
    rig = Rig(**options)
    rig.run(rig.agent.pair(Patience(3)))
    return rig


def unpair(rig, tries=1):
    return rig.run(rig.agent.unpair(Patience(tries)))


def without_revocation(rig, response):
    """The server's answers, but `response` (or an error) to a revocation."""
    return lambda request: response if request.url.endswith("/revoke") else rig.server(request)


def test_item_39_nothing_of_a_revoked_grant_is_left():
    rig = paired()
    live = rig.server.live_refresh_token
    assert unpair(rig) is None
    assert rig.server.revoked == [live] and rig.store.values == {} and rig.agent.keeper.token is None
    assert rig.names()[-1] == "unpaired" and not rig.agent.revocation_is_pending()


def test_item_39_a_grant_that_the_server_ended_is_no_surprise():
    """Cascading invalidation at any time (section 2.1): the agent un-pairs and shows a new code."""
    rig = Rig(broker=MemoryBroker(), token_s=600)

    async def story():
        await rig.clock.sleep_until(MINUTE)
        rig.server.live_refresh_token = rig.server.live_access_token = None
        rig.broker.check = lambda credentials: 5
        rig.broker.kick()
        await rig.clock.sleep_until(2 * MINUTE)
        rig.broker.check = lambda credentials: 0
        await rig.clock.sleep_until(5 * MINUTE)

    rig.run_beside(story())
    assert rig.names().count("unpaired") == 1 and rig.names().count("paired") == 2


def test_the_access_token_is_revoked_where_there_is_no_other():
    rig = Rig()

    def answer(request):
        response = rig.server(request)
        members = json.loads(response.body)
        members.pop("refresh_token", None)
        return Response(response.status, response.headers, json.dumps(members).encode())

    rig.http.answer = answer
    rig.run(rig.agent.pair(Patience(3)))
    assert unpair(rig) is None and rig.server.revoked == [rig.server.live_access_token]


def test_item_41_what_could_not_be_revoked_is_told_and_tried_again():
    for trouble in (
        Response(503, [("retry-after", "120")], b""),
        Response(500, [], b"<html>"),
        TransportError("no route"),
    ):
        rig = paired()
        live = rig.server.live_refresh_token
        rig.http.answer = without_revocation(rig, trouble)
        error = unpair(rig)
        assert error is not None and error.advice
        # Un-paired it is all the same, and the note is not a token to work with.
        assert list(rig.store.values) == ["revocation"] and rig.agent.keeper.token is None
        assert live not in str(error) + str(rig.events)
        again = restarted(rig)
        assert unpair(again) is None and rig.server.revoked == [live] and again.store.values == {}


def test_item_41_run_tells_the_server_as_soon_as_it_can():
    rig = paired()
    live = rig.server.live_refresh_token
    rig.http.answer = lambda request: TransportError("no route")
    unpair(rig)
    again = restarted(rig, decide="wait")
    rig.server.decide = "wait"
    down = [Response(503, [("retry-after", "120")], b"")] * 2

    def answer(request):
        if again.clock.now() < 3 * MINUTE:
            return TransportError("no route")
        if request.url.endswith("/revoke") and down:
            return down.pop(0)
        return rig.server(request)

    again.http.answer = answer
    again.run(again.agent.run(), until=9 * MINUTE)
    asked = [began for began, _, request in again.http.log if request.url.endswith("/revoke")]
    assert rig.server.revoked == [live] and "revocation" not in again.store.values
    assert len(asked) == 3 and asked[1] - asked[0] >= 120000 and asked[2] - asked[1] >= 120000
    assert "code" in again.names(), "nobody waits for it"


def test_pair_tells_the_server_first_but_does_not_wait_for_it():
    for trouble in (None, Response(503, [("retry-after", "3600")], b"")):
        rig = paired()
        live = rig.server.live_refresh_token
        rig.http.answer = lambda request: TransportError("no route")
        unpair(rig)
        again = restarted(rig)
        if trouble is not None:
            again.http.answer = without_revocation(again, trouble)
        began = again.clock.now()
        again.run(again.agent.pair(Patience(3)))
        assert again.clock.now() - began < MINUTE and again.names()[-1] == "paired"
        assert rig.server.revoked == ([] if trouble else [live])


def test_a_new_pairing_is_not_put_at_risk_for_an_old_one():
    """Some servers end every grant of the account along with the one that is revoked."""
    rig = paired()
    rig.http.answer = lambda request: TransportError("no route")
    unpair(rig)
    again = restarted(rig)
    again.http.answer = without_revocation(again, Response(503, [], b""))
    again.run(again.agent.pair(Patience(3)))
    again.http.answer = rig.server
    again.run(again.agent.run(), until=again.clock.now() + 6 * 60 * MINUTE)
    assert rig.server.revoked == [] and again.agent.revocation_is_pending()
    # Whoever un-pairs has both revoked.
    assert unpair(restarted(again)) is None and len(rig.server.revoked) == 2


def test_a_server_that_does_not_revoke_is_not_asked_again():
    rig = paired()
    rig.http.answer = without_revocation(rig, Response(400, [], b'{"error":"unsupported_token_type"}'))
    assert unpair(rig).error == "unsupported_token_type" and rig.store.values == {}
    rig = Rig()

    def answer(request):
        response = rig.server(request)
        members = json.loads(response.body)
        members.pop("revocation_endpoint", None)
        return Response(response.status, response.headers, json.dumps(members).encode())

    rig.http.answer = answer
    rig.run(rig.agent.pair(Patience(3)))
    assert isinstance(unpair(rig), ConfigError) and rig.store.values == {}


def test_a_power_cut_while_un_pairing_leaves_no_grant_that_nobody_remembers():
    cuts = 0
    while True:
        for after_it in (False, True):
            rig = paired()
            live = rig.server.live_refresh_token
            rig.store.cut, rig.store.cut_after = rig.store.writes + cuts, after_it
            try:
                unpair(rig)
            except PowerCut:
                pass
            else:
                assert cuts == 5, "a note, the token, its key, a code that waits, the note again"
                return
            again = restarted(rig)
            assert again.agent.keeper.load() is not None or again.agent.revocation_is_pending() or cuts == 4
            assert unpair(again) is None
            assert live in rig.server.revoked and again.store.values == {}
        cuts += 1


def test_without_room_for_the_note_it_is_now_or_never():
    rig = paired()
    live = rig.server.live_refresh_token
    rig.store.broken = ("revocation",)
    assert unpair(rig) is None
    assert rig.server.revoked == [live] and rig.store.values == {} and "error" in rig.names()


def test_a_note_of_another_account_stays_and_is_sent_nowhere():
    rig = paired()
    rig.http.answer = lambda request: TransportError("no route")
    unpair(rig)
    other = Rig(
        store=MemoryStore(rig.store.values),
        clock=rig.clock,
        settings={"oauth": {"issuer": "https://other.test"}},
    )
    assert unpair(other) is None and other.http.log == [] and "revocation" in other.store.values


def test_a_note_that_can_not_be_read_is_set_aside():
    for garbage in (b"", b"{", b"{}", b"[]", b'{"token":"x"}', b'{"token":"\\n","token_type_hint":"x"}'):
        rig = Rig(store=MemoryStore({"revocation": garbage}))
        assert unpair(rig) is None
        assert rig.store.values == {"revocation.corrupt-1": garbage} and "error" in rig.names()


def test_there_is_one_note_and_an_older_one_gets_a_last_try():
    rig = Rig()
    rig.http.answer = without_revocation(rig, Response(503, [], b""))
    tokens = []
    for _ in range(2):
        rig.run(rig.agent.pair(Patience(3)))
        tokens.append(rig.server.live_refresh_token)
        # The server has no use for the one before: each pairing is to bring a new one.
        rig.server.live_refresh_token = None
        unpair(rig)
    assert json.loads(rig.store.values["revocation"])["token"] == tokens[1]
    rig.http.answer = rig.server
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.server.revoked == tokens[1:] and list(rig.store.values) == ["token"]
    rig.http.answer = without_revocation(rig, TransportError("no route"))
    unpair(rig)
    rig.http.answer = without_revocation(rig, Response(503, [], b""))
    rig.run(rig.agent.pair(Patience(3)))
    rig.http.answer = rig.server
    assert unpair(rig) is None and len(rig.server.revoked) == 3 and rig.store.values == {}
