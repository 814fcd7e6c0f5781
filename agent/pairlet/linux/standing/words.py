"""How an agent stands, in one line."""

from ..log.words import clock_time, span
from .facts import ASKING, CODE, PERSON, Facts


def line(facts: Facts) -> str:
    """All of it: "paired; token good for 41 min; connected to the broker for 3 h; 312 samples wait; ..."."""
    return "; ".join(
        part for part in (*token_words(facts), *broker_words(facts), trouble_words(facts)) if part
    )


def token_words(facts: Facts) -> list[str]:
    """Pairing and token."""
    if not facts.paired:
        return [_unpaired(facts)]
    words = ["paired", life(facts)]
    if not facts.can_refresh and facts.token_has_end:
        words.append("it can't be renewed")
    if not facts.is_saved:
        words.append("it is in memory only: the disk takes nothing")
    return words


def _unpaired(facts: Facts) -> str:
    if facts.phase == CODE:
        left = "" if facts.code_left_ms is None else f", good for {span(facts.code_left_ms)}"
        return f"not paired; a code is shown{left}"
    if facts.phase == PERSON:
        return "not paired; waits for a person"
    return f"not paired; {facts.doing or 'starting'}" if facts.phase == ASKING else "not paired; starting"


def life(facts: Facts) -> str:
    """How long the access token is good."""
    if not facts.paired:
        return "not paired"
    if facts.token_left_ms is None:
        return "the token does not say when it ends"
    return f"token good for {span(facts.token_left_ms)}" if facts.token_left_ms > 0 else "the token has ended"


def next_refresh(facts: Facts) -> str:
    """When the token is renewed; "" where nothing can."""
    if not facts.paired or not facts.can_refresh:
        return ""
    due_ms = facts.refresh_in_ms
    if due_ms is None:
        return "it is renewed when the broker refuses it"
    return f"next refresh {clock_time(due_ms)}, in {span(due_ms)}" if due_ms > 0 else "refresh is due"


def broker_words(facts: Facts) -> list[str]:
    """The connection, and what waits for it."""
    if not facts.broker or not facts.paired:
        return [_waiting(facts.backlog)] if facts.backlog else []
    if facts.connected_ms is not None:
        words = [f"connected to the broker for {span(facts.connected_ms)}"]
    else:
        since = "" if facts.disconnected_ms is None else f" for {span(facts.disconnected_ms)}"
        reason = f" ({facts.broker_reason})" if facts.broker_reason else ""
        again = f", trying again in {span(facts.broker_wait_ms)}" if facts.broker_wait_ms else ""
        words = [f"not connected to the broker{since}{reason}{again}"]
    words.append(_waiting(facts.backlog))
    if not facts.samples_saved:
        words.append("they are in memory only: the disk takes nothing")
    if facts.acknowledged_ms is not None:
        words.append(f"last acknowledged {span(facts.acknowledged_ms)} ago")
    if facts.dropped:
        words.append(f"{_samples(facts.dropped)} dropped")
    return words


def trouble_words(facts: Facts) -> str:
    """What is wrong and not over."""
    if facts.trouble and facts.trouble not in (facts.broker_reason, facts.doing):
        return f"trouble: {facts.trouble}"
    if facts.sensors_in_trouble:
        return "no values from " + ", ".join(facts.sensors_in_trouble)
    return ""


def _waiting(count: int) -> str:
    return _samples(count) + (" waits" if count == 1 else " wait")


def _samples(count: int) -> str:
    return f"{count} sample" if count == 1 else f"{count} samples"
