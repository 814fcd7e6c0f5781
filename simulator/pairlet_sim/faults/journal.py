"""What a client did, request by request: what verdicts are made from."""

from dataclasses import dataclass, field
from typing import Any

# Kinds of requests.
METADATA = "metadata"
DEVICE_AUTHORIZATION = "device_authorization"
POLL = "poll"
REFRESH = "refresh"
REVOCATION = "revocation"
ELSEWHERE = "elsewhere"  # arrived where a redirect led to
OTHER = "other"

# Outcomes beside the RFCs' error codes.
ISSUED = "issued"
TROUBLE = "trouble"  # no answer in the sense of RFC 6749 section 5


@dataclass
class Exchange:
    """One request and what became of it. Times are seconds of a clock that only grows.

    `form` has every value of every parameter, `authorization` the header as it came. `outcome` is an
    error code, ISSUED or TROUBLE; `told` says the same to people. `newest` is the refresh token that the
    client should use by then. `sent` counts bytes of the body, `complete` is False when it was cut short.
    """

    kind: str
    at: float
    method: str
    path: str
    query: str = ""
    content_type: str = ""
    form: dict[str, list[str]] = field(default_factory=dict, repr=False)
    authorization: str | None = field(default=None, repr=False)
    newest: str | None = field(default=None, repr=False)
    outcome: str = ""
    told: str = ""
    ended_at: float | None = None
    sent: int = 0
    complete: bool = False

    def value(self, name: str) -> str:
        """The only or first value of the parameter `name`, or an empty string."""
        return self.form.get(name, [""])[0]

    def to_json(self, since: float) -> dict[str, Any]:
        """For people and programs, without secrets: of the parameters only the names."""
        ended_at = None if self.ended_at is None else round(self.ended_at - since, 3)
        return {
            "kind": self.kind,
            "at_s": round(self.at - since, 3),
            "ended_at_s": ended_at,
            "method": self.method,
            "parameters": sorted(self.form),
            "outcome": self.outcome,
            "told": self.told,
        }


@dataclass(frozen=True)
class Code:
    """A pair of codes that the real server issued at `at`, whatever the client was told about them."""

    at: float
    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str


def shown(text: str, limit: int = 100) -> str:
    """Text of a client made fit for a table: printable, on one line, of limited length."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
