"""What every Entropy keeps to. To add an implementation: one line in IMPLEMENTATIONS."""

from collections.abc import Callable

import pytest
from pairlet.linux.entropy import SystemEntropy
from pairlet.ports import Entropy
from pairlet_board.entropy import BoardEntropy

Factory = Callable[[], Entropy]

IMPLEMENTATIONS: dict[str, Factory] = {
    "linux": SystemEntropy,
    "board": BoardEntropy,
}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def entropy(request: pytest.FixtureRequest) -> Entropy:
    factory: Factory = request.param
    return factory()


@pytest.mark.parametrize("count", [0, 1, 16, 33, 4096])
def test_gives_as_many_bytes_as_asked_for(entropy: Entropy, count: int) -> None:
    drawn = entropy.random_bytes(count)
    assert type(drawn) is bytes and len(drawn) == count


def test_does_not_repeat_itself(entropy: Entropy) -> None:
    assert len({entropy.random_bytes(16) for _ in range(1000)}) == 1000


def test_every_value_of_a_byte_comes(entropy: Entropy) -> None:
    # 64 KiB without some value: less likely than 1 in 10 ** 100.
    assert set(entropy.random_bytes(65536)) == set(range(256))
