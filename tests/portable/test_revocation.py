"""Giving a grant back (RFC 7009): what is sent, what each answer means, and what is tried again."""

import json

from fakes import MemoryBroker, MemoryStore, PowerCut
from model_server import form_of
from pairlet.agent import REVOCATIONS
from pairlet.core.client import POST, Client
from pairlet.core.errors import ConfigError, OAuthError, ProtocolError, TransportError
from pairlet.core.http import Response
from pairlet.core.metadata import ServerMetadata
from pairlet.core.revocation import ASKING, READY, REFUSED, REVOKED, Revocation
from pairlet.core.secret import Secret
from pairlet.drive import Patience
from pairlet.pairing import pair_once
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


# ---- several that wait -----------------------------------------------------------------------

DOWN = Response(503, [], b"")


def unpaired_in_vain(rig, times):
    """Pairs and un-pairs `rig` so often, while the server revokes nothing. The tokens, the oldest first."""
    tokens = []
    for _ in range(times):
        rig.http.answer = without_revocation(rig, DOWN)
        rig.run(rig.agent.pair(Patience(3)))
        tokens.append(rig.server.live_refresh_token)
        unpair(rig)
    rig.http.answer = rig.server
    return tokens


def noted(rig):
    """The tokens that wait to be revoked, place by place."""
    return [json.loads(rig.store.values[p])["token"] for p in REVOCATIONS if p in rig.store.values]


def told(rig):
    """What was told of as an error, but for the store's own."""
    return [fields["error_description"] for event, fields in rig.events if event == "error"]


def test_several_wait_and_each_is_revoked_the_oldest_first():
    rig = Rig()
    tokens = unpaired_in_vain(rig, 3)
    assert noted(rig) == tokens and len(tokens) == len(set(tokens))
    assert unpair(restarted(rig)) is None
    assert rig.server.revoked == tokens and rig.store.values == {}
    tokens = unpaired_in_vain(rig, 2)
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.server.revoked[3:] == tokens and list(rig.store.values) == ["token"]
    assert told(rig) == []


def test_a_command_to_pair_anew_loses_no_earlier_grant():
    """Over MQTT nobody tells the server before the token is gone."""
    for order in ("re-pair", "unpair"):
        rig = Rig(broker=MemoryBroker())
        tokens = unpaired_in_vain(rig, 1)
        rig.http.answer = without_revocation(rig, DOWN)

        async def story(rig=rig, order=order, tokens=tokens):
            await rig.clock.sleep_until(rig.clock.now() + MINUTE)
            assert rig.agent.link is not None and rig.agent.keeper.token is not None
            tokens.append(rig.server.live_refresh_token)
            rig.server.decide = "wait"
            rig.agent.give_order(order)
            await rig.clock.sleep_until(rig.clock.now() + MINUTE)

        rig.run_beside(story())
        assert noted(rig) == tokens and rig.agent.keeper.token is None
        assert unpair(restarted(rig)) is None and rig.server.revoked == tokens


def test_a_board_without_room_for_an_exchange_keeps_them_all():
    rig = Rig()
    tokens = unpaired_in_vain(rig, 1)
    rig.http.answer = without_revocation(rig, DOWN)
    rig.run(rig.agent.pair(Patience(3)))
    tokens.append(rig.server.live_refresh_token)
    rig.http.needs_room, rig.agent.link = True, object()
    asked = len(rig.http.log)
    assert unpair(rig) is None and len(rig.http.log) == asked
    assert noted(rig) == tokens


def test_one_that_the_server_never_answers_well_holds_up_no_other():
    rig = Rig()
    tokens = unpaired_in_vain(rig, 3)
    again = restarted(rig, decide="wait")
    rig.server.decide = "wait"
    stuck = b"token=" + tokens[0].encode()

    def answer(request):
        return Response(503, [("retry-after", "90")], b"") if stuck in request.body else rig.server(request)

    again.http.answer = answer
    began = again.clock.now()
    again.run(again.agent.run(), until=began + 9 * MINUTE)
    asked = [(start, request.body) for start, _, request in again.http.log if request.url.endswith("/revoke")]
    assert rig.server.revoked == tokens[1:] and noted(again) == tokens[:1]
    # A 503 speaks for the server: the next one leaves when its Retry-After is over, too.
    assert asked[0][0] - began < MINUTE and asked[1][0] - asked[0][0] >= 90000
    stuck_at = [start for start, body in asked if stuck in body]
    assert len(stuck_at) >= 3
    assert all(stuck_at[n + 1] - stuck_at[n] >= 90000 for n in range(len(stuck_at) - 1))
    assert told(again) == []


def test_a_person_who_pairs_waits_for_none_and_the_others_have_their_turn():
    rig = Rig()
    tokens = unpaired_in_vain(rig, 3)
    stuck = b"token=" + tokens[0].encode() + b"&"
    rig.http.answer = lambda request: DOWN if stuck in request.body else rig.server(request)
    began = rig.clock.now()
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.clock.now() - began < MINUTE and rig.names()[-1] == "paired"
    assert rig.server.revoked == tokens[1:] and noted(rig) == tokens[:1]


def test_the_oldest_of_too_many_has_a_last_try_and_is_told_of():
    rig = Rig()
    tokens = unpaired_in_vain(rig, 5)
    assert noted(rig) == tokens[1:] and len(told(rig)) == 1 and "given up" in told(rig)[0]
    asked = [form_of(request.body)["token"] for _, _, request in rig.http.log if "/revoke" in request.url]
    assert asked[-1] == tokens[0], "of those that wait it is the oldest's turn"
    # One whose last try works is no loss.
    rig = Rig()
    tokens = unpaired_in_vain(rig, 4)
    rig.store.values["revocation-5"] = rig.store.values["revocation-4"].replace(
        tokens[3].encode(), b"refresh-last"
    )
    assert unpair(restarted(rig)) is None
    assert rig.server.revoked == tokens + ["refresh-last"] and rig.store.values == {}


def test_the_last_try_may_fail_to_find_the_server_as_well():
    rig = Rig()
    tokens = unpaired_in_vain(rig, 4)
    rig.run(rig.agent.pair(Patience(3)))
    assert rig.server.revoked == tokens
    rig = Rig()
    tokens = unpaired_in_vain(rig, 4)
    rig.http.answer = without_revocation(rig, DOWN)
    rig.run(rig.agent.pair(Patience(3)))
    again = restarted(rig)
    again.http.answer = lambda request: TransportError("no route")
    error = unpair(again)
    assert isinstance(error, TransportError) and noted(again) == tokens[1:] + [rig.server.live_refresh_token]
    assert len(told(again)) == 1 and "given up" in told(again)[0]


def test_what_the_server_refuses_is_told_once_and_the_others_go_on():
    rig = Rig()
    tokens = unpaired_in_vain(rig, 3)
    refused_one = b"token=" + tokens[1].encode() + b"&"

    def answer(request):
        if refused_one in request.body:
            return Response(400, [], b'{"error":"unsupported_token_type"}')
        return rig.server(request)

    again = restarted(rig)
    again.http.answer = answer
    rig.http.answer = answer
    # While a device pairs nobody reads what unpair() returns.
    rig.run(rig.agent.pair(Patience(3)))
    assert [fields["error"] for event, fields in rig.events if event == "error"] == ["unsupported_token_type"]
    assert rig.server.revoked == [tokens[0], tokens[2]] and list(rig.store.values) == ["token"]


def test_a_power_cut_loses_none_of_several():
    """At each write of an un-pairing that has to move up those before it."""
    for cut in range(20):
        for after_it in (False, True):
            rig = Rig()
            tokens = unpaired_in_vain(rig, 2)
            # The places as another process may leave them.
            rig.store.values["revocation-4"] = rig.store.values.pop("revocation-2")
            rig.http.answer = without_revocation(rig, DOWN)
            # Paired, and not by agent.pair(), which would try those.
            rig.run(pair_once(rig.agent, Patience(3)))
            tokens.append(rig.server.live_refresh_token)
            rig.store.cut, rig.store.cut_after = rig.store.writes + cut, after_it
            try:
                unpair(rig)
            except PowerCut:
                pass
            else:
                # Two to move one up, the note, the token, its key, the code.
                assert noted(rig) == tokens and cut == 6
                return
            again = restarted(rig)
            assert again.agent.keeper.load() is not None or tokens[2] in noted(again)
            assert unpair(again) is None
            assert set(rig.server.revoked) == set(tokens) and again.store.values == {}
    raise AssertionError("it never ended")


def test_a_note_of_the_version_before_is_read():
    note = '{"token": "old", "token_type_hint": "access_token", "issuer": "https://auth.test",'
    note += ' "client_id": "tv"}'
    rig = Rig(store=MemoryStore({"revocation": note.encode()}))
    assert unpair(rig) is None and rig.server.revoked == ["old"] and rig.store.values == {}
