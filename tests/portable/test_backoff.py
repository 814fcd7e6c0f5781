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
    for delay in delays(b"abcd", 1000)[10:]:
        assert 30000 < delay <= 60000


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
