"""PUBACKs are found in a broker's stream, however it is cut into chunks."""

import pytest
from pairlet_sim.faultproxy.packets import PubackFinder
from support.fake_broker import connack, disconnect, puback, publish, suback

STREAM = [
    connack(0),
    puback(1),
    suback(2, 1),
    publish("devices/a/cmd/ping", b"x" * 300, packet_id=7),
    puback(3, version=4),
    puback(4, 0x87),
    publish("devices/a/cmd/@", b"@\x02" * 9000),
    puback(5),
    disconnect(0),
]
PUBACKS = [each for each in STREAM if each[0] == 0x40]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64, 301, 100_000])
def test_pubacks_are_whole_and_nothing_else_is_touched(size: int) -> None:
    finder, stream = PubackFinder(), b"".join(STREAM)
    pieces = [piece for at in range(0, len(stream), size) for piece in finder.feed(stream[at : at + size])]
    assert b"".join(piece for piece, _ in pieces) == stream
    assert [piece for piece, is_puback in pieces if is_puback] == PUBACKS


def test_a_long_packet_is_not_waited_for() -> None:
    finder = PubackFinder()
    packet = publish("t", b"y" * 70_000)
    assert finder.feed(packet[:20]) == [(packet[:20], False)]
    assert finder.feed(packet[20:] + puback(9)) == [(packet[20:], False), (puback(9), True)]


@pytest.mark.parametrize("noise", [b"\x16\xff\xff\xff\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9])
def test_what_is_no_mqtt_goes_through(noise: bytes) -> None:
    finder = PubackFinder()
    passed = b"".join(piece for _ in range(20) for piece, _ in finder.feed(noise))
    # Words of another protocol may look like the beginning of a packet: then at most its start is kept.
    assert len(passed) >= len(noise) * 20 - 5 and (noise * 20).startswith(passed)
