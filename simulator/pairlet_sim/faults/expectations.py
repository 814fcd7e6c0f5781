"""Verdicts that single scenarios ask for, as functions and as functions that make them."""

import re

from .checks import TOLERANCE_S
from .evidence import PAIR, THEN, UNPAIR, Evidence, Finding
from .journal import DEVICE_AUTHORIZATION, METADATA, POLL, REFRESH, REVOCATION, TROUBLE
from .scenario import Check

# A growing pause shows in the second one; less than this is chance.
_GROWTH = 1.3
# Reading ahead into buffers of sockets is no fault; reading everything is.
_BUFFERED_BYTES = 16_000_000


def waits_after(kind: str, seconds: float, item: int | None) -> Check:
    """After each answer with a Retry-After of `seconds`, no request of the same kind comes sooner."""

    def check(evidence: Evidence) -> list[Finding]:
        requests = evidence.of(kind)
        for before, after in zip(requests, requests[1:], strict=False):
            if "Retry-After" not in before.told or before.ended_at is None:
                continue
            gap_s = after.at - before.ended_at
            if gap_s < seconds - TOLERANCE_S:
                did = f"came back after {gap_s:.1f} s, though Retry-After said {seconds:g} s"
                return [Finding(item, did)]
        return []

    return check


def waits_at_least(seconds: float, item: int | None, why: str) -> Check:
    """Between the first two polls there are at least `seconds`; `why` ends the sentence."""

    def check(evidence: Evidence) -> list[Finding]:
        polls = evidence.of(POLL)
        if len(polls) > 1 and polls[1].at - polls[0].at < seconds - TOLERANCE_S:
            return [Finding(item, f"polled again after {polls[1].at - polls[0].at:.1f} s, {why}")]
        return []

    return check


def backs_off(evidence: Evidence) -> list[Finding]:
    """Item 21: after the second failure in a row the pause is longer than the interval."""
    polls = evidence.of(POLL)
    for first, second, third in zip(polls, polls[1:], polls[2:], strict=False):
        if first.outcome == second.outcome == TROUBLE and second.ended_at is not None:
            gap_s, due_s = third.at - second.ended_at, _GROWTH * evidence.scenario.wait_s
            if gap_s < due_s:
                did = f"polled no less often ({gap_s:.1f} s) after two failures in a row"
                return [Finding(21, did)]
    return []


def shows_the_code(evidence: Evidence) -> list[Finding]:
    """Items 10 and 14: user_code and verification_uri are there to be read."""
    if not evidence.runs or not evidence.codes:
        return []
    code, output, found = evidence.codes[0], evidence.output, []
    if not re.search(re.escape(code.user_code).replace(r"\-", "[- ]?"), output):
        found.append(Finding(14, "did not show the user_code"))
    if code.verification_uri not in output:
        found.append(Finding(10, "did not show the verification_uri"))
    return found


def never_shows(text: str, what: str, item: int | None = None) -> Check:
    """`text`, called `what`, is nowhere in what the client writes."""

    def check(evidence: Evidence) -> list[Finding]:
        return [Finding(item, f"showed {what}")] if text in evidence.output else []

    return check


def asks_for_no_code(item: int) -> Check:
    """What was found must not be used: nothing is asked of any endpoint."""

    def check(evidence: Evidence) -> list[Finding]:
        if evidence.of(DEVICE_AUTHORIZATION, POLL):
            return [Finding(item, "asked for a code all the same")]
        return []

    return check


def does_not_poll(item: int | None) -> Check:
    """There is no code to poll with."""

    def check(evidence: Evidence) -> list[Finding]:
        return [Finding(item, "polled all the same")] if evidence.of(POLL) else []

    return check


def reads_no_more_than_it_needs(evidence: Evidence) -> list[Finding]:
    """Nobody's answer is worth all the memory of a device."""
    for each in evidence.of(METADATA, DEVICE_AUTHORIZATION, POLL, REFRESH):
        if each.sent > _BUFFERED_BYTES:
            return [Finding(None, f"read {each.sent / 1e6:.0f} MB of one answer")]
    return []


def polls_again_after(number: int, item: int | None) -> Check:
    """The answer to this poll, counted from 1, holds no tokens: another one follows, or the client ends."""

    def check(evidence: Evidence) -> list[Finding]:
        paired = any(run.exit_code == 0 for run in evidence.runs_of(PAIR))
        polls = evidence.of(POLL)
        if paired and len(polls) == number:
            return [Finding(item, f"took {polls[-1].told} for tokens")]
        return []

    return check


def spends_no_dead_token(evidence: Evidence) -> list[Finding]:
    """A command that has heard invalid_grant does not send the same refresh token again and again."""
    for run in evidence.runs_of(THEN):
        refreshes = [each for each in evidence.during(run) if each.kind == REFRESH]
        dead = [each for each in refreshes if each.outcome == "invalid_grant"]
        if len(dead) > 1:
            return [Finding(None, f"sent a dead refresh token {len(dead)} times in a row")]
    return []


def refreshes_again(evidence: Evidence) -> list[Finding]:
    """Trouble is not the end of a refresh token: it is sent again, by the same command or the next."""
    refreshes = evidence.of(REFRESH)
    if evidence.runs_of(THEN) and refreshes and refreshes[-1].outcome == TROUBLE:
        return [Finding(33, f"never tried its refresh token again after {refreshes[-1].told}")]
    return []


def revokes(evidence: Evidence) -> list[Finding]:
    """Item 38: the token is named in a request to the revocation endpoint."""
    if not evidence.runs_of(UNPAIR):
        return []
    sent = evidence.of(REVOCATION)
    if not sent:
        return [Finding(38, "revoked nothing")]
    return [] if all(each.value("token") for each in sent) else [Finding(38, "named no token to revoke")]


def owns_up_to_503(evidence: Evidence) -> list[Finding]:
    """Item 41: after 503 the token still exists: the client tries again, or says that it could not revoke."""
    for run in evidence.runs_of(UNPAIR):
        tried = [each for each in evidence.during(run) if each.kind == REVOCATION]
        done = any(each.complete and each.outcome != TROUBLE for each in tried)
        if tried and not done and run.exit_code == 0 and not run.stderr.strip():
            return [Finding(41, "ended with 0 and said nothing, though the token still exists")]
    return []

