"""Everything that can go wrong, as one tree. Each error knows its exit code and what to do about it.

`str(error)` says what happened; `error.advice` is one sentence that says what to do. Neither ever
holds a secret, and text that came from a server is cleaned before it gets here.
"""

EXIT_DONE = 0
EXIT_USAGE = 2
EXIT_DENIED = 3
EXIT_EXPIRED = 4
EXIT_NETWORK = 5
EXIT_REFUSED = 6
EXIT_IDENTITY = 7
EXIT_STORE = 8
EXIT_RESTART = 9
EXIT_INTERRUPTED = 130


class PairletError(Exception):
    """Base of the tree. `advice` replaces the class's own sentence where the place knows better."""

    exit_code = 1

    def __init__(self, message: str, advice: "str | None" = None):
        super().__init__(message)
        self.message = message
        self._advice = advice

    def __str__(self) -> str:
        return self.message

    @property
    def advice(self) -> str:
        """One sentence that says what to do."""
        return self._advice or self._usual_advice()

    # Sentences stand in functions, not in classes: a board reads them from a file when it needs them.
    def _usual_advice(self) -> str:
        return "Run the command again; if it comes back, report it with what it printed."


class ConfigError(PairletError):
    """The configuration or the command line can't be used as it is."""

    exit_code = EXIT_USAGE

    def _usual_advice(self) -> str:
        return "Correct the setting it names and start again."


class ProtocolError(PairletError):
    """A peer sent something its protocol does not allow, or a machine was driven out of order."""

    exit_code = EXIT_REFUSED

    def _usual_advice(self) -> str:
        return "Check that the address is the server's own; if it is, the server is at fault."


class IssuerError(ProtocolError):
    """Metadata speaks for another issuer than the configured one (RFC 8414 section 3.3)."""

    exit_code = EXIT_IDENTITY

    def _usual_advice(self) -> str:
        return (
            "Set oauth.issuer to exactly what the server calls itself, or find out who answers in its place."
        )


class BrokerError(ProtocolError):
    """The MQTT broker refused a packet. `reason_code`: MQTT 5's, or 3.1.1's CONNACK return code."""

    def __init__(self, message: str, reason_code: int, advice: "str | None" = None):
        super().__init__(message, advice)
        self.reason_code = reason_code

    def _usual_advice(self) -> str:
        return "Check that the broker accepts this server's access tokens for this client_id and topic."


class OAuthError(PairletError):
    """The authorization server answered with an error code (RFC 6749 section 5.2, RFC 8628 section 3.5).

    `error` is the code as the RFC writes it, `error_description` cleaned text or None. `message`: what to say
    where nobody answered, and the code is ours.
    """

    exit_code = EXIT_REFUSED

    def __init__(
        self,
        error: str,
        error_description: "str | None" = None,
        advice: "str | None" = None,
        message: "str | None" = None,
    ):
        if message is None:
            message = "the authorization server answered " + error
            if error_description:
                message += ": " + error_description
        super().__init__(message, advice)
        self.error = error
        self.error_description = error_description
        self.exit_code = _EXIT_CODES.get(error, EXIT_REFUSED)

    def _usual_advice(self) -> str:
        return _advice_on(self.error)


class UnpairedError(PairletError):
    """There is no grant to work with: never paired, ended by the server, or ended by time."""

    exit_code = EXIT_REFUSED

    def _usual_advice(self) -> str:
        return "Pair the device: pairlet pair."


class TransportError(PairletError):
    """No answer that counts: no route, no connection, a time-out, a cut or oversized answer."""

    exit_code = EXIT_NETWORK

    def _usual_advice(self) -> str:
        return "Check the network and the address, then try again."


class TlsError(PairletError):
    """The peer could not prove who it is (RFC 6749 section 10.9)."""

    exit_code = EXIT_IDENTITY

    def _usual_advice(self) -> str:
        return "Check the address, this machine's clock and the CA file; the connection was not used."


class StoreError(PairletError):
    """What must survive a power cut could not be read or written."""

    exit_code = EXIT_STORE

    def _usual_advice(self) -> str:
        return "Check that the state folder exists, belongs to this user and has room."


_EXIT_CODES = {
    "access_denied": EXIT_DENIED,
    "expired_token": EXIT_EXPIRED,
}


def _advice_on(error: str) -> str:
    if error == "access_denied":
        return "The person declined; run the command again for a new code."
    if error == "expired_token":
        return "The code ran out before anyone approved it; run the command again for a new one."
    if error == "invalid_client":
        return "Check client_id and the client secret with the server's administrator."
    if error == "invalid_grant":
        return "Pair the device again: pairlet pair."
    if error == "invalid_scope":
        return "Ask for less in oauth.scope."
    if error == "invalid_dpop_proof":
        return "Check this device's clock, and that the server takes ES256."
    if error == "unauthorized_client":
        return "Allow this client the device authorization grant at the server."
    if error == "unsupported_grant_type":
        return "This server does not offer that grant; use another server or another grant."
    return "Check client_id, client authentication and scope with the server's administrator."
