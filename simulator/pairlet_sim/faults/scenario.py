"""A scenario as data: what the server does, and what a right client does about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .evidence import Evidence, Finding
from .steps import decided, pending, real
from .turn import Step

Check = Callable[[Evidence], list[Finding]]
Expected = Literal["done", "failed", "either"]


def _nothing(evidence: Evidence) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`name` is part of addresses. `about`: what happens, `right`: what a right client does, a sentence each.

    `items` are of `obligations`, the one that matters most first. Of `polls`, `refreshes` and `revocations`
    the n-th request meets the n-th step, and all further ones the last.

    `pair` and each of `then` say how a command should end that pairs, or that wants a usable token when the
    last one has ended; `unpair` how one should that revokes. `wait_s` and `life_s` are the interval between
    polls and the life of the code that the client should go by, in seconds; `pace` is the item that says so.
    `limit_s` is how long one command may take. `missed` says why a client never came near what this is
    about, or nothing.
    """

    name: str
    about: str
    right: str
    items: tuple[int, ...] = ()
    metadata: Step = real
    device_authorization: Step = real
    polls: tuple[Step, ...] = (pending, decided)
    refreshes: tuple[Step, ...] = (real,)
    revocations: tuple[Step, ...] = (real,)
    decision: Literal["approve", "deny"] = "approve"
    pair: Expected = "done"
    then: tuple[Expected, ...] = ()
    unpair: Expected | None = None
    checks: tuple[Check, ...] = ()
    missed: Callable[[Evidence], str] = _nothing
    wait_s: float = 1
    pace: int | None = 17
    life_s: float = 120
    limit_s: float = 45
    # What the real server is told.
    interval_s: int = 1
    code_lifetime_s: int = 120
    token_lifetime_s: int = 3600
    rotate: bool = True
    grace_s: float = 0
    # The certificate: "" is a good one, else a key of serving.CERTIFICATES.
    certificate: str = ""

    @property
    def about_metadata(self) -> bool:
        """Whether it is about the metadata, which a client may do without."""
        return self.metadata is not real
