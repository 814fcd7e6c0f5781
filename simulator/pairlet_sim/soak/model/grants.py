"""What a server gave out and what became of it: families of tokens (RFC 6749, RFC 9700 section 4.14.2)."""

from collections.abc import Callable
from dataclasses import dataclass

from . import MARK
from .policy import Policy

Note = Callable[..., None]


class Family:
    """All that hangs on one approval. `ended`: why it is over ("" while it is not)."""

    def __init__(self, number: int):
        self.number = number
        self.ended = ""
        # The rotation whose predecessor was used again, when that ended it.
        self.reused: Rotation | None = None


@dataclass(eq=False)
class Rotation:
    """A refresh token was replaced: `old` by `new` at `at` (ms).

    `arrived`: the answer with it reached the device whole. `kept`: the device had it on disk.
    `until`: how long `old` works on (ms).
    """

    at: int
    old: str
    new: str
    until: int
    arrived: bool = False
    kept: bool = False
    used: bool = False


@dataclass(eq=False)
class RefreshToken:
    """`rotation`: what replaced it. `origin`: what brought it."""

    family: Family
    touched: int
    rotation: Rotation | None = None
    origin: Rotation | None = None


@dataclass(eq=False)
class AccessToken:
    """Good until `ends` (ms), issued at `issued` (ms). `said`: whether the client was told."""

    family: Family
    issued: int
    ends: int
    said: bool


class Grants:
    """All tokens of one server. `forgotten`: refresh tokens that it gave out and no longer knows."""

    def __init__(self, policy: Policy, note: Note):
        self.policy = policy
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.families: list[Family] = []
        self.last_rotation: Rotation | None = None
        self.forgotten: set[str] = set()
        self._note = note
        self._count = 0

    def approve(self, now: int) -> dict[str, object]:
        """The members of the answer to an approved poll."""
        family = Family(len(self.families) + 1)
        self.families.append(family)
        self._note("approves: pairing %d begins", family.number)
        refresh_token = self._new_refresh(family, now) if self.policy.gives_refresh_token else None
        return self._members(family, refresh_token, now)

    def renew(self, text: str, now: int) -> "tuple[dict[str, object] | None, Rotation | None]":
        """The members of the answer to a refresh, None for invalid_grant; and the rotation it was."""
        token = self.refresh.get(text)
        if token is None:
            self._note("does not know %s", text)
            return None, None
        family = token.family
        why = self.refusal(text, now)
        if why:
            if not family.ended:
                family.ended = why
                family.reused = token.rotation
            self._note("refuses %s: %s", text, why)
            return None, None
        if token.origin is not None:
            token.origin.used = True
        token.touched = now
        if not self.policy.rotates:
            # Some servers repeat the refresh token then and some leave it out (section 6).
            return self._members(family, text if self._count % 2 else None, now), None
        new = self._new_refresh(family, now)
        rotation = Rotation(now, text, new, now + self.policy.grace_ms)
        token.rotation = self.refresh[new].origin = self.last_rotation = rotation
        self._note("rotates %s to %s", text, new)
        return self._members(family, new, now), rotation

    def refusal(self, text: str, now: int) -> str:
        """Why a refresh with `text` would be refused now; "" if it would not. Changes nothing."""
        token = self.refresh.get(text)
        if token is None:
            return "unknown"
        if token.family.ended:
            return token.family.ended
        life = self.policy.refresh_life_ms
        if life is not None and now - token.touched > life:
            return "its life is over"
        rotation = token.rotation
        if rotation is not None and (rotation.used or now > rotation.until):
            return "used again"
        return ""

    def can_be_renewed(self, family: Family) -> bool:
        """Whether a refresh token was ever given out for it."""
        return any(token.family is family for token in self.refresh.values())

    def is_good(self, access_token: str, now: int) -> bool:
        """Whether a broker takes this access token: not ended by time. It knows no revocations."""
        token = self.access.get(access_token)
        return token is not None and now < token.ends

    def end_all(self, why: str) -> bool:
        """End every pairing, as a person does on a page of the server; whether there was one."""
        living = [family for family in self.families if not family.ended]
        for family in living:
            family.ended = why
        return bool(living)

    def revoke(self, text: str) -> None:
        """RFC 7009: what hangs on a refresh token ends; an unknown one is no error."""
        token = self.refresh.get(text)
        if token is not None and not token.family.ended:
            token.family.ended = "given back"
            self._note("revokes pairing %d", token.family.number)

    def forget_last_rotation(self) -> None:
        """What a server does that loses its last transaction: the new refresh token never was."""
        rotation, self.last_rotation = self.last_rotation, None
        if rotation is None or rotation.used or rotation.new not in self.refresh:
            return
        old = self.refresh.get(rotation.old)
        if old is None or old.family.ended or self.refresh[rotation.new].rotation is not None:
            return
        del self.refresh[rotation.new]
        old.rotation = None
        self.forgotten.add(rotation.new)
        self._note("was restored from before %s", rotation.new)

    def _new_refresh(self, family: Family, now: int) -> str:
        self._count += 1
        text = f"{MARK}r{self._count}"
        self.refresh[text] = RefreshToken(family, now)
        return text

    def _members(self, family: Family, refresh_token: "str | None", now: int) -> dict[str, object]:
        self._count += 1
        policy = self.policy
        text = f"{MARK}a{self._count}"
        self.access[text] = AccessToken(family, now, now + 1000 * policy.token_s, policy.says_expires_in)
        members: dict[str, object] = {"access_token": text, "token_type": policy.token_type}
        if policy.says_expires_in:
            members["expires_in"] = policy.token_s
        if refresh_token is not None:
            members["refresh_token"] = refresh_token
        members["scope"] = "telemetry"
        return members
