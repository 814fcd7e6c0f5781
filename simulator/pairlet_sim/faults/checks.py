"""Verdicts that hold in every scenario: requests in their form, the pace of polls, how commands end.

Times are judged with a tolerance: server, scripts and client share a machine, and a request may be seen
a moment later than it was sent. `TOLERANCE_S` too early is on time.
"""

from .evidence import PAIR, THEN, UNPAIR, Evidence, Finding, Run
from .journal import DEVICE_AUTHORIZATION, ELSEWHERE, ISSUED, POLL, REFRESH, REVOCATION, TROUBLE, Exchange

TOLERANCE_S = 0.25
SLOW_DOWN_S = 5.0

_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_FORM = "application/x-www-form-urlencoded"
_GOES_ON = ("authorization_pending", "slow_down", TROUBLE)
_SECRETS = ("device_code", "client_secret", "refresh_token", "access_token", "token", "user_code")
_NAMES = {
    DEVICE_AUTHORIZATION: "device authorization request",
    POLL: "poll",
    REFRESH: "refresh",
    REVOCATION: "revocation",
}


def requests_in_form(evidence: Evidence) -> list[Finding]:
    """Items 1, 5, 15, 27, 28: POST, a form, each parameter once, nothing secret in the address."""
    found = []
    for each in evidence.of(*_NAMES):
        what, item = _NAMES[each.kind], 1 if each.kind == DEVICE_AUTHORIZATION else 27
        if each.method != "POST":
            found.append(Finding(item, f"sent its {what} with {each.method}"))
        elif each.content_type.partition(";")[0].strip().lower() != _FORM:
            found.append(Finding(item, f"sent its {what} as {each.content_type or 'nothing'}, not as a form"))
        twice = [name for name, values in each.form.items() if len(values) > 1 and name != "resource"]
        if twice:
            found.append(Finding(5, f"repeated the parameter {twice[0]} in its {what}"))
        if any(name + "=" in each.query for name in _SECRETS):
            found.append(Finding(28, f"put secrets into the address of its {what}"))
    return found


def client_named(evidence: Evidence) -> list[Finding]:
    """Items 2, 3, 15, 16, 29: a client_id, or the authentication that the client was given."""
    found = []
    for each in evidence.of(*_NAMES):
        first = each.kind == DEVICE_AUTHORIZATION
        authenticated = each.authorization is not None or bool(each.value("client_secret"))
        if not each.value("client_id") and each.authorization is None:
            found.append(Finding(2 if first else 15, f"sent its {_NAMES[each.kind]} without client_id"))
        elif evidence.confidential and not authenticated:
            item = 3 if first else 16 if each.kind == POLL else 29
            found.append(Finding(item, f"did not authenticate its {_NAMES[each.kind]}"))
    return found


def polls_with_the_code(evidence: Evidence) -> list[Finding]:
    """Item 15: the device_code that was issued, exactly."""
    issued = {code.device_code for code in evidence.codes}
    if any(poll.value("device_code") not in issued for poll in evidence.of(POLL)):
        return [Finding(15, "polled with a device_code that was never issued")]
    return []


def polls_in_pace(evidence: Evidence) -> list[Finding]:
    """Items 17 and 18: the interval between the beginnings of polls, and what slow_down adds to it."""
    for polls in _by_code(evidence):
        wait_s, item, slowed = evidence.scenario.wait_s, evidence.scenario.pace, ""
        for before, after in zip(polls, polls[1:], strict=False):
            if before.outcome == "slow_down":
                wait_s, item, slowed = wait_s + SLOW_DOWN_S, 18, " after slow_down"
            gap_s = after.at - before.at
            if gap_s < wait_s - TOLERANCE_S:
                return [Finding(item, f"polled again after {gap_s:.1f} s{slowed}; {wait_s:g} s were due")]
    return []


def stops_when_told(evidence: Evidence) -> list[Finding]:
    """Item 19: no poll with the same code after an error that ends it."""
    for polls in _by_code(evidence):
        for number, poll in enumerate(polls[:-1]):
            if poll.outcome not in (*_GOES_ON, ISSUED):
                more = len(polls) - number - 1
                return [Finding(19, f"polled {more} more {_times(more)} after {poll.told}")]
    return []


def ends_with_its_code(evidence: Evidence) -> list[Finding]:
    """One last poll after the code's end is good; more is useless."""
    for code in evidence.codes:
        end = code.at + evidence.scenario.life_s
        late = [
            poll for poll in evidence.of(POLL) if poll.value("device_code") == code.device_code
            and poll.at > end + TOLERANCE_S
        ]  # fmt: skip
        if len(late) > 1:
            return [Finding(20, f"polled {len(late)} times after its code had run out")]
    return []


def keeps_the_newest(evidence: Evidence) -> list[Finding]:
    """Item 33: each refresh sends the newest refresh token that the client was given."""
    for each in evidence.of(REFRESH):
        sent = each.value("refresh_token")
        if not sent:
            return [Finding(33, "refreshed without a refresh token")]
        if each.newest is not None and sent != each.newest:
            return [Finding(33, "refreshed with another refresh token than the newest it was given")]
    return []


def follows_no_redirect(evidence: Evidence) -> list[Finding]:
    """Nothing arrives at the address that a redirect names."""
    for each in evidence.of(ELSEWHERE):
        secrets = [name for name in _SECRETS if each.value(name)]
        secrets += ["client credentials"] if each.authorization is not None else []
        what = " and ".join(secrets) if secrets else "its request"
        return [Finding(28, f"followed the redirect and sent {what} to another origin")]
    return []


def hides_the_device_code(evidence: Evidence) -> list[Finding]:
    """Item 11: what polls with is not for the screen."""
    if any(code.device_code in evidence.output for code in evidence.codes):
        return [Finding(11, "showed the device_code")]
    return []


def commands_end_right(evidence: Evidence) -> list[Finding]:
    """Each command ends by itself, with 0 where the scenario can be mastered and only there."""
    scenario = evidence.scenario
    expected = [(PAIR, (scenario.pair,)), (THEN, scenario.then)]
    if scenario.unpair is not None:
        expected.append((UNPAIR, (scenario.unpair,)))
    found = []
    for kind, wanted in expected:
        for number, (run, want) in enumerate(zip(evidence.runs_of(kind), wanted, strict=False), 1):
            which = "" if kind == PAIR else f" (--{kind} command, no. {number})"
            found += [Finding(item, did + which) for item, did in _judge_end(evidence, run, want)]
    return found


def _judge_end(evidence: Evidence, run: Run, wanted: str) -> list[Finding]:
    item = evidence.scenario.items[0] if evidence.scenario.items else None
    met = [each.told for each in evidence.during(run) if each.kind in _NAMES and each.told]
    last = f"; last answer: {met[-1]}" if met else "; it made no request"
    if run.exit_code is None or (wanted == "done" and run.exit_code != 0):
        return [Finding(item, run.ending + last)]
    if wanted == "failed" and run.exit_code == 0:
        return [Finding(item, "ended with 0, as if it had worked" + last)]
    if run.kind == THEN and run.exit_code == 0 and not _refreshed(evidence, run):
        return [Finding(None, "ended with 0, but had no other access token than the one that was over")]
    return [Finding(None, run.ending + last)] if run.crashed else []


def _refreshed(evidence: Evidence, run: Run) -> bool:
    return any(each.kind == REFRESH and each.outcome == ISSUED for each in evidence.during(run))


def _by_code(evidence: Evidence) -> list[list[Exchange]]:
    """The polls of each device_code, in order."""
    polls: dict[str, list[Exchange]] = {}
    for each in evidence.of(POLL):
        polls.setdefault(each.value("device_code"), []).append(each)
    return list(polls.values())


def _times(count: int) -> str:
    return "time" if count == 1 else "times"


ALWAYS = (
    commands_end_right,
    requests_in_form,
    client_named,
    polls_with_the_code,
    polls_in_pace,
    stops_when_told,
    ends_with_its_code,
    keeps_the_newest,
    follows_no_redirect,
    hides_the_device_code,
)


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that the client did wrong, the gravest first. Empty: passed."""
    found = [finding for check in (*evidence.scenario.checks, *ALWAYS) for finding in check(evidence)]
    return list(dict.fromkeys(found))
