"""Every edge of every transition table is taken by answers that a server can give; no other edge exists."""

from pairlet.core import device_grant, discovery, refresh_grant
from pairlet.core.client import Client
from pairlet.core.device_grant import DeviceGrant
from pairlet.core.discovery import Discovery
from pairlet.core.errors import ProtocolError
from pairlet.core.refresh_grant import RefreshGrant
from pairlet.core.revocation import Revocation
from pairlet.core.secret import Secret
from scenario import (
    ISSUER,
    SEED,
    answer,
    code_members,
    error,
    grant_with_code,
    make_grant,
    make_refresh,
    metadata,
    metadata_members,
    page,
    poll,
    refused,
    sent,
    token_members,
)

taken = set()


def spied(kind):
    """`kind` with a step() that writes down which edge was taken."""

    class Spied(kind):
        def step(self, event):
            before = self.state
            super().step(event)
            taken.add((kind.__name__, before, event, self.state))

    return Spied


def edges_of(kind):
    """The table as (state, event, following state)."""
    return {(state, event, kind.TRANSITIONS[(state, event)]) for state, event in kind.TRANSITIONS}


def taken_by(kind, scenarios):
    """The edges that `scenarios` take, each given the spied class."""
    taken.clear()
    for scenario in scenarios:
        scenario(spied(kind))
    for name, _, _, _ in taken:
        assert name == kind.__name__
    return {(state, event, following) for _, state, event, following in taken}


def codes(kind, *responses):
    """A DeviceGrant that gets `responses` to its first request, one after the other."""
    grant = make_grant(kind)
    now = 0
    for response in responses:
        _, now = poll(grant, response, 0, now)
    return grant


def polls(kind, *responses, **changes):
    """A DeviceGrant that gets `responses` to its polls."""
    grant = grant_with_code(0, kind, **changes)
    now = 0
    for response in responses:
        _, now = poll(grant, response, 0, now)
    return grant


def out_of_time_while_waiting(kind):
    grant = polls(kind, page(503, [("retry-after", "3000")]), expires_in=60)
    assert grant.next_action(60000) is None


DEVICE_GRANT = (
    lambda kind: codes(kind, page(502), None, answer(code_members())),
    lambda kind: codes(kind, error("invalid_client")),
    lambda kind: polls(
        kind, error("authorization_pending"), error("slow_down"), None, page(502), answer(token_members())
    ),
    lambda kind: polls(kind, error("access_denied")),
    lambda kind: polls(kind, error("expired_token")),
    lambda kind: polls(kind, error("invalid_request")),
    lambda kind: polls(kind, None, expires_in=5),
    out_of_time_while_waiting,
)


def test_device_grant_takes_every_edge():
    assert taken_by(DeviceGrant, DEVICE_GRANT) == edges_of(DeviceGrant)


def refreshes(kind, *responses, previous=None):
    grant = make_refresh(kind, previous=previous)
    now = 0
    for response in responses:
        _, now = poll(grant, response, 0, now)
    return grant


REFRESH_GRANT = (
    lambda kind: refreshes(kind, None, page(503), answer(token_members())),
    lambda kind: refreshes(kind, error("invalid_grant")),
    lambda kind: refreshes(kind, error("invalid_client")),
    lambda kind: refreshes(kind, error("invalid_grant"), answer(token_members()), previous="p"),
)


def test_refresh_grant_takes_every_edge():
    assert taken_by(RefreshGrant, REFRESH_GRANT) == edges_of(RefreshGrant)


def finds(kind, *responses):
    discovery = kind(ISSUER, SEED)
    now = 0
    for response in responses:
        _, now = poll(discovery, response, 0, now)
    return discovery


DISCOVERY = (
    lambda kind: finds(kind, None, page(503), page(404), answer(metadata_members())),
    lambda kind: finds(kind, page(404), page(404)),
)


def test_discovery_takes_every_edge():
    assert taken_by(Discovery, DISCOVERY) == edges_of(Discovery)


def revokes(kind, *responses):
    offered = metadata(revocation_endpoint=ISSUER + "/revoke")
    revocation = kind(offered, Client("tv"), Secret("r"), "refresh_token")
    now = 0
    for response in responses:
        _, now = poll(revocation, response, 0, now)
    return revocation


REVOCATION = (
    lambda kind: revokes(kind, None, page(503), answer({})),
    lambda kind: revokes(kind, error("unsupported_token_type")),
)


def test_revocation_takes_every_edge():
    assert taken_by(Revocation, REVOCATION) == edges_of(Revocation)


def test_the_spy_would_notice_an_edge_that_nobody_takes():
    assert taken_by(DeviceGrant, DEVICE_GRANT[:3]) != edges_of(DeviceGrant)


def test_no_other_edge_exists():
    machines = (
        (make_grant(), DeviceGrant),
        (make_refresh(), RefreshGrant),
        (Discovery(ISSUER, SEED), Discovery),
        (revokes(Revocation), Revocation),
    )
    for machine, kind in machines:
        states = {state for state, _ in kind.TRANSITIONS} | set(kind.TRANSITIONS.values())
        events = {event for _, event in kind.TRANSITIONS} | {"", "nonsense"}
        for state in states:
            for event in events:
                machine.state = state
                if (state, event) in kind.TRANSITIONS:
                    machine.step(event)
                    assert machine.state == kind.TRANSITIONS[(state, event)]
                else:
                    refused(ProtocolError, machine.step, event)
                    assert machine.state == state


def test_nothing_leads_out_of_an_end():
    for kind, ends in (
        (DeviceGrant, device_grant.ENDED),
        (RefreshGrant, refresh_grant.ENDED),
        (Discovery, (discovery.FOUND, discovery.FAILED)),
    ):
        for state, _ in kind.TRANSITIONS:
            assert state not in ends
        # ... and every state that nothing leads out of is an end.
        sources = {state for state, _ in kind.TRANSITIONS}
        assert set(kind.TRANSITIONS.values()) - sources == set(ends)


def test_every_request_under_way_may_meet_a_fault():
    # receive() and transport_failed() rely on it to tell whether an answer is due.
    for kind in (DeviceGrant, RefreshGrant, Discovery):
        under_way = {following for (_, event), following in kind.TRANSITIONS.items() if event == "send"}
        faulty = {state for state, event in kind.TRANSITIONS if event == "fault"}
        assert under_way == faulty


def test_the_first_request_is_the_first_edge():
    grant = make_grant()
    sent(grant, 0)
    assert grant.state == device_grant.ASKING
