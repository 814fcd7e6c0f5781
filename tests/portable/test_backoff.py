"""pairlet.core.backoff: doubling delays, spread by chance, within bounds."""

from pairlet.core.backoff import Backoff


def delays(seed, count=20, base_ms=1000, cap_ms=60000):
    backoff = Backoff(base_ms, cap_ms, seed)
    return [backoff.delay_ms() for _ in range(count)]


def test_item_21_delays_double_and_stay_in_their_upper_half():
    for seed in (b"", b"\x00", b"\xff\xff\xff\xff", b"abcd", bytes(range(64))):
        ceiling = 1000
        for delay in delays(seed):
            assert isinstance(delay, int)
            assert ceiling // 2 < delay <= ceiling, (seed, ceiling, delay)
            ceiling = min(2 * ceiling, 60000)


def test_a_thousand_failures_stay_at_the_cap():
    found = delays(b"abcd", 1000)[12:]
    assert 45000 < min(found) < 46000 and 59000 < max(found) <= 60000


def test_a_cap_below_the_base_wins():
    assert max(delays(b"abcd", 5, 10000, 4000)) <= 4000


def test_reset_starts_from_the_base():
    backoff = Backoff(1000, 60000, b"abcd")
    for _ in range(8):
        backoff.delay_ms()
    backoff.reset()
    assert 500 < backoff.delay_ms() <= 1000
    assert 1000 < backoff.delay_ms() <= 2000


def test_two_devices_differ():
    assert delays(b"\x01\x02\x03\x04") != delays(b"\x01\x02\x03\x05")
    # Not only somewhere: the very first delay of many devices is spread over its range.
    firsts = [Backoff(60000, 60000, bytes([7, 1, 9, number])).delay_ms() for number in range(100)]
    assert len(set(firsts)) > 90
    assert max(firsts) - min(firsts) > 20000


def test_one_device_repeats_itself():
    assert delays(b"abcd") == delays(b"abcd")


def test_delays_of_one_device_do_not_repeat():
    assert len(set(delays(b"abcd", 100)[10:])) > 80


def test_the_first_delay_may_be_anything_up_to_its_own_limit():
    firsts = []
    for number in range(200):
        backoff = Backoff(1000, 60000, bytes([number, 3, 7, 9]), 5000)
        firsts.append(backoff.delay_ms())
        assert 1000 < backoff.delay_ms() <= 2000
        backoff.reset()
        assert 0 <= backoff.delay_ms() <= 5000
    assert 0 <= min(firsts) < 250 and 4750 < max(firsts) <= 5000


def test_what_the_server_asks_for_is_the_least_and_is_spread():
    for asked_ms, most_ms in ((1000, 1250), (30000, 37500), (3600000, 3720000)):
        found = [Backoff(1, 60000, bytes([number, 5])).delay_ms(asked_ms) for number in range(200)]
        assert asked_ms <= min(found) and max(found) <= most_ms
        assert max(found) - min(found) > (most_ms - asked_ms) * 9 // 10, asked_ms
    # The delay that is due anyway is not undercut by a server that asks for less.
    backoff = Backoff(60000, 60000, b"abcd")
    assert backoff.delay_ms(1000) > 30000


def test_a_spread_is_within_its_limit():
    backoff = Backoff(1000, 60000, b"abcd")
    found = [backoff.spread_ms(3600000) for _ in range(500)]
    assert 0 <= min(found) < 36000 and 3564000 < max(found) <= 3600000
    assert backoff.spread_ms(0) == 0
