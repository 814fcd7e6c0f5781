"""How an authorization server behaves where the RFCs leave it a choice, and where servers bend them."""

from dataclasses import dataclass

LEFT_OUT = object()


@dataclass(frozen=True)
class Policy:
    """One server's ways. Lifetimes in seconds where they go over the wire, otherwise in ms.

    `interval`: the member as it is written, perhaps nonsense, or LEFT_OUT. `grace_ms`: how long a
    rotated refresh token still works while none of its successors was used. `refresh_life_ms`: how
    long an unused refresh token lives (None: for ever). `quotes`: error descriptions repeat what the
    client sent.
    """

    token_s: int = 3600
    says_expires_in: bool = True
    gives_refresh_token: bool = True
    rotates: bool = True
    grace_ms: int = 0
    refresh_life_ms: int | None = None
    code_s: int = 600
    interval: object = 5
    names_slower_interval: bool = False
    pending_status: int = 400
    token_type: str = "Bearer"
    quotes: bool = False

    def interval_ms(self) -> int:
        """What it holds clients to: the interval as in RFC 8628 section 3.2, 5 s without a usable one."""
        value = self.interval
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                value = None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            return 5000
        return int(1000 * value)
