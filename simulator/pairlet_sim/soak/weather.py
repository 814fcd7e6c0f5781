"""What a seed has in store: eras of a device's life, each a storm of faults and then a calm.

An era has one kind of server, device and telemetry, and lasts some tens of token lives: a year holds
few days with tokens of minutes and many with tokens of weeks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any

from .clock import RIGHT
from .model.policy import LEFT_OUT, Policy

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000, 60_000, 3_600_000, 86_400_000
# After so long without any fault the device has to be well again: the longest things it may be waiting
# for by then are a Retry-After of an hour and, one after the other, its next try with another token.
SETTLED_MS = 150 * MINUTE_MS
_LEAST_CALM_MS = SETTLED_MS + 30 * MINUTE_MS

EXCHANGE_TROUBLES = (
    "no_route", "silence", "lost_answer", "cut_answer", "truncated", "portal", "redirect", "garbage",
    "gateway", "busy", "wrong_json", "oauth_trouble", "tls", "hostile", "slow",
)  # fmt: skip


@dataclass(frozen=True)
class Storm:
    """How likely each fault is. `at_...`: the chance at each exchange; `longest_ms`: how long it may last.

    `exchanges`: after so many with the server it has blown itself out.
    """

    exchanges: int = 0
    at_exchange: float = 0.0
    troubles: tuple[str, ...] = EXCHANGE_TROUBLES
    longest_ms: int = 0
    latency_ms: int = 120
    at_power: float = 0.0
    at_kill: float = 0.0
    at_stop: float = 0.0
    at_disk: float = 0.0
    at_wall: float = 0.0
    at_freeze: float = 0.0
    at_speed: float = 0.0
    at_slow_down: float = 0.0
    at_server: float = 0.0
    at_revocation: float = 0.0
    at_other_process: float = 0.0
    broker_refuses: float = 0.0
    broker_kicks_ms: int = 0
    broker_goes_silent: float = 0.0
    broker_is_down_ms: int = 0
    broker_loses_ack: float = 0.0
    broker_forbids: float = 0.0


CALM = Storm()
NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True)
class Era:
    """One stretch of a life. `has_rtc`: the device knows the time at boot; `is_board`: nor can it tell one
    boot from the next; `is_shared`: other processes use its store; `ppm`: its clock's speed.

    `sample_ms`: telemetry interval, 0 without a broker. `tokens_end_sessions`: the broker closes a
    connection when its token ends.
    """

    policy: Policy
    storm: Storm
    storm_ms: int
    calm_ms: int
    sample_ms: int
    buffer_bytes: int
    codes: int
    prompts: bool
    has_rtc: bool
    is_board: bool
    is_shared: bool
    ppm: int
    tokens_end_sessions: bool


def draw_era(chance: Random, given: "Mapping[str, object]" = NOTHING) -> Era:
    """The next era. `given`: fields of Era, Storm and Policy that are not left to chance."""
    era = _draw_era(chance)
    policy = replace(era.policy, **_fields_of(Policy, given))
    storm = replace(era.storm, **_fields_of(Storm, given))
    return replace(era, policy=policy, storm=storm, **_fields_of(Era, given))


def _fields_of(kind: Any, given: "Mapping[str, object]") -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


def _draw_era(chance: Random) -> Era:
    policy = _draw_policy(chance)
    life_ms = policy.token_s * SECOND_MS
    storm_ms = min(int(life_ms * chance.uniform(1, 8)), 90 * DAY_MS)
    calm_ms = max(_LEAST_CALM_MS, min(int(life_ms * chance.uniform(3, 30)), 200 * DAY_MS))
    if not policy.gives_refresh_token:
        storm_ms = min(storm_ms, 3 * life_ms)
        calm_ms = min(calm_ms, max(_LEAST_CALM_MS, 2 * life_ms))
    storm_ms = max(storm_ms, HOUR_MS)
    kind = chance.random()
    # The agent looks for what others may have done each minute: not for years of virtual time.
    is_shared = kind <= 0.8 and storm_ms + calm_ms < DAY_MS and chance.random() < 0.7
    storm = _draw_storm(chance, storm_ms)
    if is_shared:
        storm = replace(storm, at_other_process=chance.uniform(0.1, 0.5))
    with_broker = chance.random() < 0.5
    sample_ms = max(SECOND_MS * 10, min(int(life_ms * _spread(chance, 0.3, 8)), 7 * DAY_MS))
    if storm_ms + calm_ms < DAY_MS and chance.random() < 0.3:
        sample_ms = int(_spread(chance, 10 * SECOND_MS, 5 * MINUTE_MS))
    return Era(
        policy=policy,
        storm=storm,
        storm_ms=storm_ms,
        calm_ms=calm_ms,
        sample_ms=sample_ms if with_broker else 0,
        buffer_bytes=1024 if chance.random() < 0.3 else 1 << 20,
        codes=chance.randint(1, 3),
        prompts=chance.random() < 0.15,
        has_rtc=kind < 0.6,
        is_board=kind > 0.8,
        is_shared=is_shared,
        ppm=_draw_speed(chance),
        tokens_end_sessions=chance.random() < 0.6,
    )


def _draw_policy(chance: Random) -> Policy:
    token_s = int(_spread(chance, 300, 90 * 86400))
    if chance.random() < 0.015:
        token_s = chance.choice((30, 60, 120))
    renews = chance.random() < 0.96 or token_s < 6 * 3600
    rotates = chance.random() < 0.75
    grace_ms = int(_spread(chance, 30, 6 * 3600)) * SECOND_MS if rotates and chance.random() < 0.5 else 0
    idle = max(30 * DAY_MS, 4 * token_s * SECOND_MS)
    return Policy(
        token_s=token_s,
        # A token with neither an end nor a way to renew it lives for ever, or nobody can tell.
        says_expires_in=not renews or chance.random() < 0.96,
        gives_refresh_token=renews,
        rotates=rotates,
        grace_ms=grace_ms,
        refresh_life_ms=idle if chance.random() < 0.2 else None,
        code_s=int(_spread(chance, 60, 1800)),
        interval=_draw_interval(chance),
        names_slower_interval=chance.random() < 0.2,
        pending_status=chance.choice((400, 400, 400, 403, 428, 200)),
        token_type=chance.choice(("Bearer", "bearer")),
        quotes=chance.random() < 0.3,
    )


def _draw_interval(chance: Random) -> object:
    if chance.random() < 0.6:
        return chance.choice((5, 5, 5, 1, 2, 10, 30))
    return chance.choice((LEFT_OUT, 0, -5, None, "5", "soon", 2.5, True, float("nan"), "10"))


def _draw_speed(chance: Random) -> int:
    """Mostly right within the ten-thousandth of a cheap crystal; some virtual machines run wild."""
    if chance.random() < 0.85:
        return RIGHT + chance.randint(-200, 200)
    return chance.choice((RIGHT - 50_000, RIGHT + 30_000, RIGHT + 50_000, RIGHT + 150_000))


# Each storm is made of a few of these. `most` is the highest chance that it is given.
_AT = {
    "at_power": 0.4, "at_kill": 0.2, "at_stop": 0.15, "at_disk": 0.15, "at_wall": 0.3, "at_freeze": 0.15,
    "at_speed": 0.1, "at_slow_down": 0.2, "at_server": 0.15, "at_revocation": 0.06,
    "broker_refuses": 0.6, "broker_goes_silent": 0.2, "broker_loses_ack": 0.2, "broker_forbids": 0.3,
}  # fmt: skip


def _draw_storm(chance: Random, lasts_ms: int) -> Storm:
    storm = Storm(
        exchanges=int(_spread(chance, 20, 250)), longest_ms=int(_spread(chance, SECOND_MS, 6 * HOUR_MS))
    )
    if chance.random() < 0.8:
        few = chance.sample(EXCHANGE_TROUBLES, chance.randint(1, 4))
        troubles = EXCHANGE_TROUBLES if chance.random() < 0.3 else tuple(few)
        storm = replace(storm, at_exchange=_spread(chance, 0.03, 0.7), troubles=troubles)
    if chance.random() < 0.2:
        storm = replace(storm, latency_ms=int(_spread(chance, 500, 20_000)))
    if chance.random() < 0.15:
        storm = replace(storm, broker_is_down_ms=int(min(_spread(chance, MINUTE_MS, 12 * HOUR_MS), lasts_ms)))
    if chance.random() < 0.4:
        storm = replace(storm, broker_kicks_ms=int(lasts_ms / chance.uniform(1, 20)))
    for name in chance.sample(sorted(_AT), chance.randint(1, 5)):
        storm = replace(storm, **{name: chance.uniform(0.1, 1) * _AT[name]})  # type: ignore[arg-type]
    return storm


def _spread(chance: Random, least: float, most: float) -> float:
    """Between both; each order of magnitude as likely as the next."""
    return float(least * (most / least) ** chance.random())
