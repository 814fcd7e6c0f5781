"""What is on disk of a pairing, as plain values for JSON.

The version rises only when an older agent would go wrong with what a newer one wrote: members that a
reader does not know are passed over, and those that a writer did not know have a meaning when missing.
"""

import hashlib

from .errors import ProtocolError
from .json_object import seconds_member, secret_member
from .secret import Secret
from .text import clean
from .token import BEARER, DPOP, TEN_YEARS_S, Kept, Token
from .wall import SYNCED, UNSET, Wall

TYPE_CHECKING = False
if TYPE_CHECKING:
    Members = dict[str, object]

_VERSION = 1


def to_record(kept: Kept, now: int, wall: Wall, boot_id: str = "") -> "Members":
    """`kept` as members, secrets included.

    `wall` dates it for the next boot; `boot_id` names this one, in which `now` says all ("": unknown).
    """
    token = kept.token
    saved_at = None if wall.state == UNSET else wall.seconds
    ends = None
    if token.expires_at is not None and saved_at is not None:
        ends = saved_at + (token.expires_at - now) // 1000
    return {
        "version": _VERSION,
        "access_token": token.access_token.reveal(),
        "token_type": token.token_type,
        "refresh_token": token.refresh_token.reveal() if token.refresh_token else None,
        "previous_refresh_token": kept.previous.reveal() if kept.previous else None,
        "refreshing_since": kept.refreshing_since,
        "scope": token.scope,
        "expires_in": token.expires_in,
        "ends": ends,
        "saved_at": saved_at,
        "boot_id": boot_id,
        "expires_at": token.expires_at,
    }


def from_record(record: "Members", now: int, wall: Wall, boot_id: str = "", renewable: bool = False) -> Kept:
    """Read what to_record wrote, in this version or an earlier one. Raises ProtocolError when it is not that.

    `renewable`: another token can be had also without a refresh token.

    Only what nothing works without can be missing to that end: damage to the rest costs a refresh or
    an explanation, not the pairing.
    """
    if record.get("version") != _VERSION:
        raise ProtocolError("the record has another version")
    access_token = secret_member(record, "access_token")
    if access_token is None:
        raise ProtocolError("the record has no access_token")
    refresh_token = secret_member(record, "refresh_token")
    expires_in = seconds_member(record, "expires_in", TEN_YEARS_S)
    scope = record.get("scope")
    token = Token(
        access_token,
        expires_in=expires_in,
        expires_at=_end(record, expires_in, renewable or refresh_token is not None, now, wall, boot_id),
        refresh_token=refresh_token,
        scope=clean(scope, 2000) if isinstance(scope, str) else "",
        token_type=DPOP if record.get("token_type") == DPOP else BEARER,
    )
    return Kept(token, _previous(record), _since(record) if refresh_token else None)


def _end(
    record: "Members", expires_in: "int | None", renewable: bool, now: int, wall: Wall, boot_id: str
) -> "int | None":
    """When the token ends, in ms of this start's clock; None when it has no end or nobody knows.

    Written in this very boot it is known to the millisecond, whatever the wall clock did since.
    Otherwise it takes a wall clock then and a synced one now: a floor only says what has ended. When it
    can't be known, a token counts as ended: refreshing once too often costs one request, a dead token
    costs samples.
    """
    if expires_in is None:
        return None
    ends, kept = record.get("ends"), record.get("expires_at")
    if boot_id and record.get("boot_id") == boot_id and isinstance(kept, int):
        return min(kept, now + 1000 * expires_in)
    if isinstance(ends, int) and wall.state == SYNCED:
        left = int(ends - wall.seconds)
        if left <= expires_in:
            return now + 1000 * max(0, left)
    # Without a refresh token there is nothing to do about an end that may have come: whoever takes the
    # token will tell.
    return now if renewable else None


def _previous(record: "Members") -> "Secret | None":
    try:
        return secret_member(record, "previous_refresh_token")
    except ProtocolError:
        return None


def _since(record: "Members") -> "int | None":
    since = record.get("refreshing_since")
    if since is None:
        return None
    return since if isinstance(since, int) and not isinstance(since, bool) and since > 0 else 0


def digest(data: bytes) -> bytes:
    """32 bytes (SHA-256) by which a record is known again without keeping it."""
    return bytes(hashlib.sha256(data).digest())
