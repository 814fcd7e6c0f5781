"""Rule 7: never hang. Once nothing is wrong any more, the device is well again after a bounded time."""

from typing import TYPE_CHECKING

from pairlet.core.screen import CODE, EXPIRED

from ..clock import RIGHT
from ..weather import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from ..process import Process
    from ..world import World

_STOPS_WITHIN_MS = 16_000
_A_DAY_AND_MORE_MS = DAY_MS + HOUR_MS
_AN_HOUR_AND_MORE_MS = 90 * MINUTE_MS


def runs(process: "Process | None") -> str:
    """The agent is there."""
    return (
        ""
        if process is not None and not process.loop.ended
        else "no agent runs although nothing was wrong for long"
    )


def is_paired_or_says_what_to_do(paired: bool, screen: str, wants_button: bool) -> str:
    """Without a pairing there is a code on the screen, or it says that a person is wanted."""
    if paired or screen in (CODE, EXPIRED) or wants_button:
        return ""
    return f"it is not paired and shows nothing that a person could act on, but: {screen}"


def has_a_good_token(ended_ms: int) -> str:
    """A paired device has an access token that works."""
    return f"its access token ended {ended_ms} ms ago, and nothing was wrong" if ended_ms > 0 else ""


def lets_go_of_a_token_that_has_ended(ago_ms: int) -> str:
    """Without a refresh token the end is the end: a person is wanted, and is told within a day or so."""
    held_on = ago_ms > _A_DAY_AND_MORE_MS
    return f"it holds on to a token that ended {ago_ms} ms ago and can't be renewed" if held_on else ""


def has_saved_what_counts(saved: bool) -> str:
    """What a full disk did not take is on it once there is room."""
    return "" if saved else "the token that it uses is still not on its disk"


def is_connected(connected: bool) -> str:
    """A paired device is connected to its broker."""
    return "" if connected else "it is not connected to the broker although nothing was wrong for long"


def replaces_a_token_that_ended_without_notice(ago_ms: int) -> str:
    """The broker's refusal says so, and brings another one: hourly at the most."""
    late = ago_ms > _AN_HOUR_AND_MORE_MS
    return f"its token ended {ago_ms} ms ago, the broker says so, and it asked for no other" if late else ""


def has_published_what_waited(waiting: int) -> str:
    """What waited out the trouble is delivered."""
    return f"{waiting} samples wait although nothing was wrong for long" if waiting > 2 else ""


def measures(ago_ms: int, interval_ms: int) -> str:
    """Samples are taken at the interval."""
    late = ago_ms > interval_ms + interval_ms // 10 + MINUTE_MS
    return f"its last sample is {ago_ms} ms old, and the interval is {interval_ms} ms" if late else ""


def stops_in_time(took_ms: int) -> str:
    """Who says stop need not wait: the answer to a refresh may take five seconds, the farewell three."""
    return f"it took {took_ms} ms to stop" if took_ms > _STOPS_WITHIN_MS else ""


def judge_wellbeing(world: "World") -> None:
    """Ask all of the above at a moment at which nothing has been wrong for long."""
    device, now = world.device, world.schedule.now
    agent = device.agent
    world.judge(runs, agent)
    tokens = world.tokens
    token = tokens.access_token
    paired = token is not None and not token.family.ended
    unrenewable = token is not None and not tokens.refresh_tokens
    dated = tokens.was_dated and agent is not None and agent.clock.is_right()
    if unrenewable and token is not None and token.said and agent is not None and dated:
        since = max(token.ends, agent.began, world.calm_since)
        world.judge(lets_go_of_a_token_that_has_ended, now - since)
    screen = world.screen
    world.judge(
        is_paired_or_says_what_to_do,
        token is not None,
        screen.kind if screen else "nothing",
        world.wants_button,
    )
    if agent is not None:
        world.judge(has_saved_what_counts, tokens.has_saved_what_counts)
    if not paired or token is None or unrenewable or agent is None:
        return
    if token.said and not tokens.doubtful and device.slowest_ppm >= 0.98 * RIGHT:
        world.judge(has_a_good_token, now - token.ends)
    if not world.era.sample_ms:
        return
    if not token.said and world.broker.session is None:
        since = max(token.ends, world.calm_since, agent.began)
        world.judge(replaces_a_token_that_ended_without_notice, now - since)
    if token.said and not tokens.doubtful and now - token.issued > 2 * MINUTE_MS:
        world.judge(is_connected, world.broker.session is not None)
        world.judge(has_published_what_waited, world.link.waiting(agent))
        world.outbox.settled()
    world.judge(measures, now - world.link.taken_at, world.era.sample_ms)
