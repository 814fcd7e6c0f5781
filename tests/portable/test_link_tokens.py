"""Tokens on a live connection: changed without anybody noticing, and renewed when a broker ends one."""

from link_rig import HOUR, MINUTE, SECOND, LinkRig


def test_a_planned_change_of_tokens_flaps_nothing_and_sends_nothing_twice():
    rig = LinkRig(latency_ms=40)

    async def story():
        for _ in range(15):
            rig.measure(50)
            await rig.clock.sleep_until(rig.clock.now() + 20 * SECOND)
            rig.measure(50)
            # In the middle of it all.
            await rig.clock.sleep_until(rig.clock.now() + 15)
            rig.keeper.next()
            rig.link.token_renewed()

    rig.run(HOUR, story())
    assert rig.link.reconnects == 15 and len(set(rig.broker.passwords)) == 16
    assert rig.seqs() == list(range(1500))
    assert not any("historical" in payload for payload in rig.payloads())
    # "offline" only at the very end, when the link is closed.
    assert rig.statuses() == [b"online"] * 16 + [b"offline"]
    assert set(rig.reasons()) == {"the token was renewed"} and not rig.told("waiting")


def test_a_change_of_tokens_does_not_wait_for_ever_for_an_acknowledgement():
    rig = LinkRig(latency_ms=40)

    async def story():
        await rig.clock.sleep_until(10 * SECOND)
        rig.broker.silent = True
        rig.measure(5)
        rig.keeper.next()
        rig.link.token_renewed()
        await rig.clock.sleep_until(14 * SECOND)
        rig.broker.speak()

    rig.run(MINUTE, story())
    assert rig.reasons() == ["the token was renewed"]
    assert rig.seqs() == list(range(5)) and all(payload["historical"] for payload in rig.payloads())


def ended_with(reason_code):
    """A rig whose broker ends the first connection after 10 min with `reason_code`."""
    rig = LinkRig()

    async def story():
        await rig.clock.sleep_until(10 * MINUTE)
        rig.broker.kick("it ends", reason_code)

    rig.run(20 * MINUTE, story())
    return rig


def test_codes_that_speak_of_the_token_bring_a_new_one_and_a_reconnect_at_once():
    for code in (0x86, 0x87, 0xA0):
        rig = ended_with(code)
        assert rig.broker.passwords == ["token-1", "token-2"], code
        assert not rig.told("waiting") and rig.keeper.asked == [10 * MINUTE]


def test_other_codes_bring_no_new_token():
    for code in (None, 0x80, 0x89, 0x8B, 0x8E, 0x9C):
        rig = ended_with(code)
        assert rig.broker.passwords == ["token-1"] * 2, code
        assert len(rig.told("waiting")) == 1 and rig.told("waiting")[0]["ms"] <= 5000


def test_a_bare_end_next_to_the_end_of_the_token_is_the_token_s():
    rig = LinkRig(expires_in=3600)

    async def story():
        await rig.clock.sleep_until(HOUR - 2 * SECOND)
        rig.measure(1)
        rig.broker.kick()

    rig.run(HOUR + MINUTE, story())
    assert rig.broker.passwords == ["token-1", "token-2"] and not rig.told("waiting")
    assert rig.seqs()[-1] == 0


def test_a_broker_that_refuses_every_token_is_offered_few():
    for code in (4, 5, 0x86, 0x87):
        rig = LinkRig(check=lambda credentials, code=code: code)
        rig.run(5 * HOUR)
        # At once, and then once an hour.
        assert 5 <= len(rig.keeper.asked) <= 6, code
        pauses = [fields["ms"] for fields in rig.told("waiting")]
        assert min(pauses[8:]) >= 60000 and max(pauses) <= 120000


def test_a_broker_that_accepts_every_token_and_then_ends_the_connection_is_offered_few():
    rig = LinkRig()

    async def story():
        while rig.clock.now() < 5 * HOUR:
            await rig.clock.sleep_until(rig.clock.now() + 10 * SECOND)
            if rig.broker.connected:
                rig.broker.kick("not authorized", 0x87)

    rig.run(5 * HOUR, story())
    assert len(rig.keeper.asked) <= 6


def test_one_that_ends_good_connections_gets_a_token_every_few_minutes_at_most():
    rig = LinkRig()

    async def story():
        while rig.clock.now() < 5 * HOUR:
            await rig.clock.sleep_until(rig.clock.now() + MINUTE)
            if rig.broker.connected:
                rig.broker.kick("maximum connect time", 0xA0)

    rig.run(5 * HOUR, story())
    asked = rig.keeper.asked
    gaps = [asked[index + 1] - asked[index] for index in range(len(asked) - 1)]
    assert len(gaps) > 20 and min(gaps) >= 5 * MINUTE


def test_a_refused_status_is_a_refused_token_at_first():
    # mosquitto-go-auth looks at the token's end at each message, and answers with MQTT 5's 0x87.
    rig = LinkRig()
    rig.broker.accepts = lambda message: 0 if rig.broker.passwords[-1] == "token-2" else 0x87
    rig.measure(30)
    rig.run(MINUTE)
    assert rig.broker.passwords == ["token-1", "token-2"] and rig.seqs() == list(range(30))
    assert not rig.told("dropped")


def test_a_token_that_ends_on_a_live_connection_costs_no_record():
    rig = LinkRig(latency_ms=50)
    ended = []
    rig.broker.accepts = lambda message: 0x87 if rig.broker.passwords[-1] in ended else 0

    async def story():
        rig.measure(50)
        await rig.clock.sleep_until(10 * MINUTE)
        ended.append("token-1")
        rig.measure(100)

    rig.run(20 * MINUTE, story())
    assert rig.broker.passwords == ["token-1", "token-2"] and not rig.told("dropped")
    assert rig.seqs() == list(range(150)) and len(rig.keeper.asked) == 1


def test_pauses_grow_until_a_connection_was_stable():
    rig = LinkRig()
    rig.broker.lasts_ms = 5 * SECOND

    async def story():
        await rig.clock.sleep_until(HOUR)
        rig.broker.lasts_ms = MINUTE

    rig.run(2 * HOUR, story())
    pauses = [fields["ms"] for fields in rig.told("waiting")]
    assert pauses[0] <= 5000 and pauses[10] >= 60000
    assert max(pauses[-5:]) <= 5000
