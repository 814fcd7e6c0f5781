"""Fixtures of the broker's tests."""

from collections.abc import Iterator

import pytest
from pairlet_sim.broker import BrokerSettings
from support.token_broker import AUDIENCE, ISSUER, BrokerThread, Signer


@pytest.fixture(scope="session")
def signer() -> Signer:
    """Keys for all tests: making an RSA key takes a while."""
    return Signer()


@pytest.fixture
def running(signer: Signer) -> Iterator[BrokerThread]:
    """A broker that trusts `signer`."""
    with BrokerThread(BrokerSettings(issuer=ISSUER, audience=AUDIENCE, jwks=signer.jwks)) as broker:
        yield broker
