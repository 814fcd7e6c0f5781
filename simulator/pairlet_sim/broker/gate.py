"""Who gets in: what a CONNECT must bring so that it is answered with CONNACK 0."""

import secrets
from dataclasses import dataclass

from . import wire
from .access import Access, AccessDenied, access_from_claims
from .jwks import KeysUnavailable
from .settings import BrokerSettings
from .token import TokenRefused, TokenVerifier


class Refused(Exception):
    """The CONNECT is answered with `code`, a CONNACK return code; the text is for the log."""

    def __init__(self, code: int, reason: str):
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Entry:
    """A CONNECT that may come in: `client_id` is what it asked for, or a new one if it asked for none."""

    connect: wire.Connect
    access: Access
    client_id: str


class Gate:
    """Judges CONNECTs by the settings of a broker."""

    def __init__(self, settings: BrokerSettings):
        self._settings = settings
        self._verifier = TokenVerifier(settings)

    async def judge(self, connect: wire.Connect) -> Entry:
        """Let it in, or raise Refused."""
        access = await self._access(connect)
        client_id = _client_id(connect, access)
        will = connect.will
        if will and not (wire.is_topic_name(will.topic) and access.may_publish(will.topic)):
            raise Refused(wire.NOT_AUTHORIZED, "the will's topic is not the device's own")
        return Entry(connect, access, client_id)

    async def _access(self, connect: wire.Connect) -> Access:
        settings = self._settings
        try:
            claims = await self._verifier.verify(connect.password)
            return access_from_claims(
                claims,
                device_claim=settings.device_claim,
                read_scope=settings.read_scope,
                root=settings.topic_root,
            )
        except TokenRefused as refusal:
            raise Refused(wire.BAD_CREDENTIALS, str(refusal)) from None
        except AccessDenied as refusal:
            raise Refused(wire.NOT_AUTHORIZED, str(refusal)) from None
        except KeysUnavailable as trouble:
            # Not the client's fault: it should keep its token and come back (section 3.2.2.3).
            raise Refused(wire.UNAVAILABLE, str(trouble)) from None


def _client_id(connect: wire.Connect, access: Access) -> str:
    """The client_id to use (section 3.1.3.1); Refused if it belongs to another device."""
    if not connect.client_id:
        if not connect.clean_session:
            raise Refused(wire.IDENTIFIER_REJECTED, "no client_id without a clean session [MQTT-3.1.3-8]")
        return "%s/%s" % (access.owner, secrets.token_hex(8))
    if not access.may_use_client_id(connect.client_id):
        raise Refused(wire.IDENTIFIER_REJECTED, "this client_id does not belong to the token's device")
    return connect.client_id
