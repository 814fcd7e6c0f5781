"""Whatever a server does, in virtual time: never polled too early or after the end, and there is an end."""

import json
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st
from pairlet.core.client import Client
from pairlet.core.device_grant import APPROVED, ENDED, WAITING, DeviceGrant
from pairlet.core.discovery import Discovery
from pairlet.core.errors import PairletError
from pairlet.core.http import Response
from pairlet.core.json_object import parse
from pairlet.core.machine import Send, Wait
from pairlet.core.metadata import ServerMetadata
from pairlet.core.refresh_grant import REFRESHED, REJECTED, RefreshGrant
from pairlet.core.revocation import Revocation
from pairlet.core.secret import Secret
from pairlet.core.token import Kept, Token
from support.wire import HEADERS, LIKELY, PROPERTY, RESPONSES, STATUSES

ISSUER = "https://auth.example"
METADATA = ServerMetadata(
    ISSUER,
    {
        "device_authorization_endpoint": ISSUER + "/d",
        "token_endpoint": ISSUER + "/t",
        "revocation_endpoint": ISSUER + "/r",
    },
)
SEEDS = st.binary(max_size=4)
KEPT = Kept(Token(Secret("a"), refresh_token=Secret("r")), None, None)

_KEEP_ON = st.builds(
    lambda members, status, headers: Response(status, headers, json.dumps(members).encode()),
    st.one_of(
        st.just({"error": "authorization_pending"}),
        st.just({"error": "slow_down"}),
        st.fixed_dictionaries({"error": st.just("slow_down"), "interval": st.integers(-10, 400)}),
        st.just({"error": "temporarily_unavailable"}),
        st.just({}),
    ),
    STATUSES,
    HEADERS,
)
_EXCHANGES = st.tuples(
    st.one_of(st.none(), _KEEP_ON, _KEEP_ON, _KEEP_ON, RESPONSES), st.integers(0, 60000), st.integers(0, 3000)
)


def told_interval_ms(response: Response, interval_ms: int) -> int:
    """What RFC 8628 section 3.5 makes of `response`, by other means than the machine's."""
    try:
        members = parse(response.body)
    except PairletError:
        return interval_ms
    named = members.get("interval")
    named_ms = 1000 * min(named, 3600) if type(named) is int and named > 0 else 0
    return max(interval_ms + 5000, named_ms) if members.get("error") == "slow_down" else interval_ms


def retry_after_ms(response: Response) -> int:
    """Retry-After in plain seconds; dates are tested elsewhere."""
    value = response.header("retry-after") or ""
    return 1000 * min(int(value), 3600) if value.isascii() and value.isdigit() else 0


def code_answer(expires_in: int, interval: int) -> Response:
    members = {
        "device_code": "d",
        "user_code": "A",
        "verification_uri": ISSUER,
        "expires_in": expires_in,
        "interval": interval,
    }
    return Response(200, [], json.dumps(members).encode())


@PROPERTY
@given(
    SEEDS,
    st.integers(1, 2000),
    st.integers(1, 60),
    st.lists(_EXCHANGES, min_size=1, max_size=40),
    st.booleans(),
)
def test_polls_keep_their_distance_and_come_to_an_end(
    seed: bytes,
    expires_in: int,
    interval: int,
    exchanges: list[tuple[Response | None, int, int]],
    reboots: bool,
) -> None:
    grant = DeviceGrant(METADATA, Client("tv"), seed=seed)
    assert isinstance(grant.next_action(0), Send)
    grant.receive(code_answer(expires_in, interval), 0)
    now, ended_at, distance_ms, interval_ms = 0, 0, 1000 * interval, 1000 * interval
    polls = 0
    while grant.state not in ENDED:
        action = grant.next_action(now)
        if action is None:
            break
        if isinstance(action, Wait):
            assert action.until > now
            # The driver may ask early, and it may oversleep.
            late = exchanges[polls % len(exchanges)][2]
            grant.next_action((now + action.until) // 2)
            assert grant.state == WAITING
            now = action.until + late
            continue
        assert now - ended_at >= distance_ms, "polled too early"
        # One overslept wait and the last exchange are the driver's and the network's; the rest is ours.
        assert now <= 1000 * expires_in + interval_ms + 3000, "polled after the end"
        response, took, _ = exchanges[polls % len(exchanges)]
        polls += 1
        now += took
        if response is None:
            grant.transport_failed(now)
        else:
            grant.receive(response, now)
        ended_at = now
        if grant.state == WAITING:
            if response is not None:
                interval_ms = told_interval_ms(response, interval_ms)
            assert grant.interval_ms == interval_ms
            distance_ms = max(interval_ms, retry_after_ms(response) if response is not None else 0)
            if reboots and grant.code.expires_at - now >= 1000:  # type: ignore[union-attr]
                grant = rebooted(grant, now, seed)
                distance_ms = interval_ms
    assert grant.next_action(now) is None and grant.next_action(now + 10**9) is None
    assert (grant.token is None) == (grant.state != APPROVED)
    assert (grant.error is None) == (grant.state == APPROVED)
    assert polls <= 1 + expires_in // interval


def rebooted(grant: DeviceGrant, now: int, seed: bytes) -> DeviceGrant:
    snapshot = json.loads(json.dumps(grant.snapshot(now)))
    after = DeviceGrant(METADATA, Client("tv"), seed=seed)
    after.restore(snapshot, now)
    assert grant.code is not None and after.code is not None
    assert 0 <= grant.code.expires_at - after.code.expires_at < 1000
    return after


@PROPERTY
@given(SEEDS, st.lists(st.tuples(st.one_of(st.none(), RESPONSES), st.integers(0, 60000)), max_size=30))
def test_any_answers_from_the_beginning(seed: bytes, answers: list[tuple[Response | None, int]]) -> None:
    machines = (
        DeviceGrant(METADATA, Client("tv"), seed=seed),
        Discovery(ISSUER, seed),
        RefreshGrant(METADATA, Client("tv"), KEPT, seed=seed),
        Revocation(METADATA, Client("tv"), Secret("r"), "refresh_token", seed=seed),
    )
    for machine in machines:
        now = 0
        for response, took in answers:
            action = machine.next_action(now)
            if isinstance(action, Wait):
                assert action.until > now
                # No pause is longer than the longest Retry-After or the longest back-off.
                assert action.until - now <= 3600000 + 120000
                now = action.until
                action = machine.next_action(now)
            if action is None:
                break
            assert isinstance(action, Send)
            now += took
            if response is None:
                machine.transport_failed(now)
            else:
                machine.receive(response, now)
            assert machine.fault is None or isinstance(machine.fault, PairletError)
            assert machine.error is None or isinstance(machine.error, PairletError)


@PROPERTY
@given(SEEDS, st.lists(RESPONSES, max_size=20))
def test_only_an_authoritative_invalid_grant_rejects(seed: bytes, responses: list[Response]) -> None:
    grant = RefreshGrant(METADATA, Client("tv"), KEPT, seed=seed)
    now = 0
    for response in responses:
        action = grant.next_action(now)
        if isinstance(action, Wait):
            now = action.until
            action = grant.next_action(now)
        if action is None:
            break
        assert b"refresh_token=r" in action.request.body
        grant.receive(response, now)
        if grant.state == REJECTED:
            assert parse(response.body)["error"] == "invalid_grant" and response.status < 500
        if grant.state == REFRESHED:
            assert grant.kept.token.refresh_token is not None and grant.kept.refreshing_since is None


@PROPERTY
@given(SEEDS, st.booleans(), st.lists(st.one_of(st.none(), RESPONSES), max_size=20))
def test_the_store_never_has_to_hold_less_than_what_may_be_good(
    seed: bytes, previous: bool, responses: list[Response | None]
) -> None:
    """Whatever comes: what was sent last stays among what is kept until the server has answered it."""
    kept = Kept(KEPT.token, Secret("p") if previous else None, None)
    grant = RefreshGrant(METADATA, Client("tv"), kept, since=7, seed=seed)
    now, sent = 0, []
    for response in responses:
        action = grant.next_action(now)
        if isinstance(action, Wait):
            now = action.until
            action = grant.next_action(now)
        if action is None:
            break
        assert grant.kept.refreshing_since == 7, "a request leaves that the store knows nothing of"
        sent += [pair[1] for pair in parse_qsl(action.request.body.decode()) if pair[0] == "refresh_token"]
        known = [each.reveal() for each in (grant.kept.token.refresh_token, grant.kept.previous) if each]
        assert sent[-1] in known
        if response is None:
            grant.transport_failed(now)
        else:
            grant.receive(response, now)
    # Each token in its turn: the one before is asked for once the current one was rejected, and never back.
    assert sent == sorted(sent, reverse=True)
    if grant.state == REJECTED:
        assert sent[-1] == ("p" if previous else "r")
    if grant.state == REFRESHED:
        assert grant.kept.previous is None or grant.kept.previous.reveal() == sent[-1]


@PROPERTY
@given(LIKELY)
def test_any_snapshot_is_restored_or_leaves_the_grant_alone(snapshot: dict[str, object]) -> None:
    grant = DeviceGrant(METADATA, Client("tv"))
    try:
        grant.restore(json.loads(json.dumps(snapshot)), 0)
    except PairletError:
        assert grant.state == "ready" and grant.code is None
        assert isinstance(grant.next_action(0), Send)
    else:
        assert grant.state == WAITING
        assert isinstance(grant.next_action(0), Wait)


def test_answers_cut_at_every_byte() -> None:
    # On a board's parser a cut answer may look whole; here it is a fault at every length but the full one.
    token = (
        b'{"access_token":"abc","token_type":"Bearer","expires_in":3600,"refresh_token":"def","scope":"a b"}'
    )
    code = code_answer(900, 5).body
    for size in range(len(token)):
        grant = DeviceGrant(METADATA, Client("tv"))
        grant.next_action(0)
        grant.receive(Response(200, [], code), 0)
        grant.next_action(5000)
        grant.receive(Response(200, [], token[:size]), 5000)
        assert grant.state == WAITING and grant.token is None and grant.fault is not None
        refresh = RefreshGrant(METADATA, Client("tv"), KEPT)
        refresh.next_action(0)
        refresh.receive(Response(200, [], token[:size]), 0)
        assert refresh.state == "ready" and refresh.kept.token is KEPT.token and refresh.lost
    for size in range(len(code)):
        grant = DeviceGrant(METADATA, Client("tv"))
        grant.next_action(0)
        grant.receive(Response(200, [], code[:size]), 0)
        assert grant.state == "ready" and grant.code is None
