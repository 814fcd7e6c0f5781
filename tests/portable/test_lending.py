"""The access token for other programs, from an agent at work: in virtual time, on both interpreters."""

import asyncio

from fakes import MemoryBroker
from pairlet.core.errors import OAuthError, TransportError, UnpairedError
from pairlet.core.http import Response
from pairlet.drive import Patience
from pairlet.lending import Lending, name_of
from scenario import error as refusal
from test_agent import MINUTE, Rig, raised
from test_own_name import own

HOUR = 60 * MINUTE


def paired(**options):
    rig = Rig(**options)
    rig.run(rig.agent.pair(Patience(1)))
    return rig


def lent(rig, lending=None, refused=None):
    token = rig.run((lending or Lending(rig.agent)).token(refused))
    return token.access_token.reveal()


def refreshes(rig):
    return [event for event in rig.names() if event == "refreshed"]


def test_a_good_token_is_lent_without_asking_anybody():
    rig = paired()
    asked = len(rig.http.log)
    assert lent(rig) == lent(rig) == rig.server.live_access_token and len(rig.http.log) == asked


def test_one_that_has_ended_is_renewed_first():
    rig = paired(token_s=600)
    old = lent(rig)
    rig.clock.time += 11 * MINUTE
    assert lent(rig) == rig.server.live_access_token != old
    assert len(refreshes(rig)) == 1 and rig.record()["refresh_token"] == rig.server.live_refresh_token


def test_without_a_pairing_there_is_none():
    error = raised(lent, Rig())
    assert isinstance(error, UnpairedError) and "pairlet pair" in error.advice
    error = raised(lent, own())
    assert isinstance(error, UnpairedError) and "Ask again" in error.advice


def test_one_that_nothing_can_renew_is_not_lent_beyond_its_end():
    rig = paired(token_s=600)
    rig.server.live_refresh_token = None
    rig.agent.keeper.token.refresh_token = None
    rig.clock.time += 11 * MINUTE
    error = raised(lent, rig)
    assert isinstance(error, UnpairedError) and "no refresh token" in str(error)


def test_a_refused_token_is_replaced_once_an_hour_and_only_if_it_is_the_current_one():
    rig = paired(token_s=86400)
    lending = Lending(rig.agent)
    first = rig.agent.keeper.token
    second = lent(rig, lending, name_of(first.access_token))
    assert second == rig.server.live_access_token != first.access_token.reveal()
    # Somebody who is late gets what the other one has brought about.
    assert lent(rig, lending, name_of(first.access_token)) == second and len(refreshes(rig)) == 1
    # One that came for a refused one is refused as well: the token is not what is wrong.
    assert (
        lent(rig, lending, name_of(rig.agent.keeper.token.access_token)) == second
        and len(refreshes(rig)) == 1
    )
    rig.clock.time += HOUR
    assert (
        lent(rig, lending, name_of(rig.agent.keeper.token.access_token)) != second
        and len(refreshes(rig)) == 2
    )


def test_a_refused_token_that_can_t_be_replaced_stays():
    rig = paired()
    token = rig.agent.keeper.token
    token.refresh_token = None
    assert lent(rig, refused=name_of(token.access_token)) == token.access_token.reveal()
    assert not refreshes(rig)


def test_a_refused_token_in_the_device_s_own_name_is_replaced():
    rig = own()
    rig.run(rig.agent.usable_token(Patience(1)))
    assert lent(rig, refused=name_of(rig.agent.keeper.token.access_token)) == "access-2"


def test_a_server_in_trouble_is_asked_at_the_agent_s_own_pace():
    rig = paired(token_s=600)
    rig.clock.time += 11 * MINUTE
    answers = [TransportError("no route"), Response(502, [], b"<html>")]
    usual, asked = rig.server, []

    def answer(request):
        asked.append(request.url)
        return answers.pop(0) if answers else usual(request)

    rig.http.answer = answer
    lending = Lending(rig.agent)
    assert "no route" in str(raised(lent, rig, lending))
    count = len(asked)
    for _ in range(20):
        assert "tried again in" in str(raised(lent, rig, lending))
    assert len(asked) == count
    rig.clock.time += 3 * MINUTE
    raised(lent, rig, lending)
    rig.clock.time += 5 * MINUTE
    assert lent(rig, lending) == usual.live_access_token and not answers


def test_the_server_s_refusal_is_told_and_the_end_of_the_pairing_is_the_end():
    rig = paired(token_s=600)
    rig.clock.time += 11 * MINUTE
    usual = rig.server
    says = [refusal("invalid_client", 401), refusal("invalid_grant")]
    rig.http.answer = lambda request: says.pop(0) if "/token" in request.url else usual(request)
    error = raised(lent, rig)
    assert isinstance(error, OAuthError) and error.error == "invalid_client"
    rig.clock.time += 5 * MINUTE
    assert isinstance(raised(lent, rig), UnpairedError)
    assert "token" not in rig.store.values and rig.names()[-1] == "unpaired"


def test_beside_an_agent_at_work_there_is_one_refresh_and_the_broker_hears_of_it():
    broker = MemoryBroker()
    rig = Rig(broker=broker, token_s=86400)

    async def story():
        while not broker.passwords:
            await rig.clock.sleep_until(rig.clock.now() + 1000)
        lending = Lending(rig.agent)
        refused = name_of(rig.agent.keeper.token.access_token)
        got = []

        async def ask():
            got.append((await lending.token(refused)).access_token.reveal())

        for task in [asyncio.create_task(ask()) for _ in range(5)]:
            await task
        assert got == [rig.server.live_access_token] * 5
        while len(broker.passwords) < 2:
            await rig.clock.sleep_until(rig.clock.now() + 1000)

    rig.run_beside(story())
    assert len(refreshes(rig)) == 1 and broker.passwords[-1] == rig.server.live_access_token
