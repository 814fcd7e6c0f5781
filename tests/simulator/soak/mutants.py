"""The agent in ways that it must not be, each with the rules of which one must notice.

A mutant is a change of one module's text. That the text is still there is checked when it is applied.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Mutant(NamedTuple):
    """`changes`: (old text, new text), each old one exactly once in `module`. `breaks`: rules by name.

    `years`: how long a life has to be to show it. `given`: what of the weather is not left to chance, where
    it would seldom come about by chance alone.
    """

    name: str
    module: str
    changes: tuple[tuple[str, str], ...]
    breaks: tuple[str, ...]
    years: float = 1
    given: Mapping[str, object] = {}

    def apply(self, source: str) -> str:
        """The changed source. Raises ValueError when the text is not what it was made for."""
        for old, new in self.changes:
            if source.count(old) != 1:
                raise ValueError(f"{self.name}: in {self.module} is {source.count(old)} times: {old!r}")
            source = source.replace(old, new)
        return source


def _one(
    name: str,
    module: str,
    old: str,
    new: str,
    *breaks: str,
    years: float = 1,
    given: "Mapping[str, object] | None" = None,
) -> Mutant:
    return Mutant(name, "pairlet." + module, ((old, new),), breaks, years, given or {})


_LOST = ("loses_no_living_token", "unpairs_only_when_the_server_has_ended_it")
_EARLY = ("polls_no_earlier_than_told", "polls_no_earlier_than_the_server_measures")
_UNSAVED = ("saves_a_token_before_it_is_used", "has_saved_what_counts", "loses_no_token_that_arrived")
_STALE = ("has_a_good_token", "refreshes_ahead_of_the_end", "stays_online_in_calm", "is_connected")

# Weather for what seldom comes about by chance alone; the eras are short where much is measured.
_REFUSED = {"at_exchange": 0.5, "troubles": ("oauth_trouble",)}
_HOSTILE = {"at_exchange": 0.5, "troubles": ("hostile",)}
_MEASURES = {"sample_ms": 30_000, "storm_ms": 14_400_000, "calm_ms": 10_800_000}
_LOST_AND_KILLED = {
    "at_kill": 0.4,
    "broker_refuses": 0.5,
    "grace_ms": 3_600_000,
    "rotates": True,
    "sample_ms": 600_000,
}
# Answers are lost, the next is an error that is no verdict, and the server would forgive for an hour.
_LOST_AND_REFUSED = {
    "at_exchange": 0.6,
    "troubles": ("lost_answer", "oauth_trouble"),
    "broker_refuses": 0.5,
    "grace_ms": 3_600_000,
    "rotates": True,
    "sample_ms": 600_000,
}

# A board without a calendar whose pairings soon end, and whose disk often fails while it shows a code.
_BOARD_OF_STRANGERS = {
    "at_disk": 0.08,
    "exchanges": 100_000,
    "storm_ms": 86_400_000,
    "is_board": True,
    "has_rtc": False,
    "is_shared": False,
    "codes": 1,
    "code_s": 60,
    "token_s": 1800,
    "gives_refresh_token": False,
}

_TOKENS = (
    _one(
        "forgets the refresh token when none comes back",
        "core.token",
        "refresh_token = refresh_token or previous.refresh_token",
        "pass",
        *_LOST,
    ),
    _one(
        "refreshes when the token has ended",
        "core.token",
        "return self.expires_at - min(ahead_ms, life_ms - _LEAST_APART_MS)",
        "return self.expires_at + 1",
        *_STALE,
    ),
    _one(
        "refreshes without chance",
        "core.token",
        "ahead_ms += life_ms // 10 * chance // 255",
        "pass",
        "spreads_its_refreshes",
        years=6,
    ),
    _one(
        "refreshes without pause",
        "core.token",
        "return self.expires_at - min(ahead_ms, life_ms - _LEAST_APART_MS)",
        "return self.expires_at - life_ms",
        "leaves_a_young_token_alone",
        "hammers_no_server",
    ),
    _one(
        "believes that a token lives an hour longer",
        "core.refresh_grant",
        "members, self._sent_at, previous=self._token, token_type=self._client.token_type",
        "members, self._sent_at + 3600000, previous=self._token, token_type=self._client.token_type",
        *_STALE,
    ),
    _one(
        "takes any error for the end",
        "core.refresh_grant",
        'if error.error != "invalid_grant":',
        "if False:",
        *_LOST,
        given=_REFUSED,
    ),
    _one(
        "un-pairs on invalid_client",
        "core.refresh_grant",
        'if error.error != "invalid_grant":',
        'if error.error not in ("invalid_grant", "invalid_client"):',
        *_LOST,
        given=_REFUSED,
    ),
    _one(
        "takes a server in trouble at its word",
        "core.answer",
        "troubled = response.status == 429 or response.status >= 500",
        "troubled = False",
        *_LOST,
        given=_REFUSED,
    ),
    Mutant(
        "un-pairs on garbage",
        "pairlet.core.refresh_grant",
        (
            (
                "        if answer.kind == FAULT:\n            self._meet_fault(answer.error, "
                "answer.retry_after_ms, now)",
                "        if answer.kind == FAULT:\n            self.error = answer.error\n            "
                'self.step("invalid_grant")',
            ),
        ),
        _LOST,
    ),
    _one(
        "keeps no previous token",
        "core.refresh_grant",
        "Kept(token, None if token.refresh_token == sent else sent, None)",
        "Kept(token, None, None)",
        *_LOST,
        given={"at_server": 0.5, "sample_ms": 0, "rotates": True},
    ),
    _one(
        "never tries the previous token",
        "core.refresh_grant",
        "elif self._previous is not None:",
        "elif False:",
        *_LOST,
        given={"at_server": 0.5, "sample_ms": 0, "rotates": True},
    ),
    _one(
        "writes no journal",
        "core.token_record",
        '"refreshing_since": kept.refreshing_since',
        '"refreshing_since": None',
        "tries_again_within_the_grace",
        given=_LOST_AND_KILLED,
    ),
    _one(
        "reads no journal",
        "core.token_record",
        "_since(record) if refresh_token else None",
        "None",
        "tries_again_within_the_grace",
        given=_LOST_AND_KILLED,
    ),
    _one(
        "forgets a lost answer over another error",
        "core.refresh_grant",
        "return self.kept if self.lost else Kept(self.kept.token, self.kept.previous, None)",
        "return Kept(self.kept.token, self.kept.previous, None)",
        "tries_again_within_the_grace",
        given=_LOST_AND_REFUSED,
    ),
    _one(
        "waits for no Retry-After of a refresh",
        "core.refresh_grant",
        "self.due = now + self._backoff.delay_ms(retry_after_ms)",
        "self.due = now + self._backoff.delay_ms()",
        "honours_retry_after",
    ),
    _one(
        "refreshes again at once after trouble",
        "core.refresh_grant",
        "self.due = now + self._backoff.delay_ms(retry_after_ms)",
        "self.due = now",
        "waits_after_a_failed_refresh",
        "waits_between_turns",
        "hammers_no_server",
    ),
    _one(
        "never tries again after trouble",
        "core.refresh_grant",
        "self.due = now + self._backoff.delay_ms(retry_after_ms)",
        "self.due = now + 10**12",
        *_STALE,
        "tries_again_within_the_grace",
    ),
)

_KEEPING = (
    _one(
        "keeps tokens in memory only",
        "keeper",
        "        self.store.save(_NAME, data)\n",
        "",
        *_UNSAVED,
    ),
    _one(
        "uses a new token before it is saved",
        "refreshing",
        "keeper.keep_anyhow(grant.kept)",
        "keeper.kept = grant.kept",
        *_UNSAVED,
    ),
    _one(
        "does not save again when there is room",
        "keeper",
        "if not self.is_saved and self.kept is not None:",
        "if False:",
        *_UNSAVED,
        given={"at_disk": 0.6, "longest_ms": 60_000},
    ),
    _one(
        "locks no other process out",
        "refreshing",
        "            async with keeper.store.lock():\n",
        "            if True:\n",
        "refreshes_once_at_a_time",
        "loses_no_token_that_arrived",
        "saves_a_token_before_it_is_used",
    ),
    _one(
        "does not read again what another process may have saved",
        "refreshing",
        "                keeper.load()\n",
        "",
        "loses_no_living_token",
        "leaves_a_young_token_alone",
        "saves_a_token_before_it_is_used",
        "loses_no_token_that_arrived",
    ),
    _one(
        "adopts no token of another process",
        "refreshing",
        "                    if keeper.is_usable():\n                        return\n",
        "",
        "leaves_a_young_token_alone",
    ),
    _one(
        "writes each time it looks",
        "keeper",
        "            if self.is_saved:\n                self.load()\n",
        "            if self.is_saved:\n                self.load()\n                self.kept and "
        "self.keep(self.kept)\n",
        "writes_no_more_than_it_must",
    ),
    _one(
        "sleeps while the broker asks for another token",
        "renewing",
        "await set_or_due(keeper.changed, clock, look if due is None else min(due, look))",
        "await clock.sleep_until(look if due is None else min(due, look))",
        "replaces_a_token_that_ended_without_notice",
        given={"says_expires_in": False, "token_s": 3600, **_MEASURES, "is_shared": False},
    ),
    Mutant(
        "stops a refresh that the link waits for no longer",
        "pairlet.renewing",
        (
            ("        self._is_asked = True\n", ""),
            ("await self._tried.wait()", "await self.renew(self._agent.tell_trouble)"),
        ),
        ("waits_for_the_answer_unless_stopped", "waits_for_the_answer_when_stopped", *_LOST),
        given={"broker_refuses": 0.8, "latency_ms": 40_000, **_MEASURES},
    ),
    _one(
        "gives up after a refusal",
        "renewing",
        "pause_ms = self._backoff.delay_ms()",
        "pause_ms = 10**12",
        *_STALE,
        "tries_again_within_the_grace",
    ),
    _one(
        "holds on to a token that has ended",
        "renewing",
        "if due is not None and clock.now() >= due:\n                    await keeper.expire()",
        "if False:\n                    await keeper.expire()",
        "lets_go_of_a_token_that_has_ended",
        "waits_between_turns",
        given={"gives_refresh_token": False, "sample_ms": 0},
    ),
    _one(
        "ends a pairing before its time",
        "renewing",
        "if due is not None and clock.now() >= due:\n                    await keeper.expire()",
        "if due is not None:\n                    await keeper.expire()",
        "lets_a_token_live_to_its_end",
        *_LOST,
        given={"gives_refresh_token": False, "sample_ms": 0},
    ),
    Mutant(
        "lets the calendar say when to refresh",
        "pairlet.keeper",
        (
            (
                "        self.is_saved = True\n        self.kept = kept\n",
                "        self.is_saved = True\n        self.kept = kept\n        self.drift = "
                "self._drift()\n",
            ),
            (
                "    def is_usable(self)",
                "    def _drift(self):\n"
                "        return (self.clock.wall().seconds or 0) - self.clock.now() // 1000\n\n"
                "    def is_usable(self)",
            ),
            (
                "return token.refresh_at(self.chance, self.asked is not None)",
                "due = token.refresh_at(self.chance, self.asked is not None)\n"
                "        if due is None:\n"
                "            return None\n"
                "        return due - 1000 * (self._drift() - getattr(self, 'drift', self._drift()))",
            ),
        ),
        ("leaves_a_young_token_alone", *_STALE),
    ),
    _one(
        "tells a token in an event",
        "refreshing",
        'keeper.emit("refreshed", expires_in=token.expires_in,',
        'keeper.emit("refreshed", token=token.access_token.reveal(), expires_in=token.expires_in,',
        "shows_no_secret",
    ),
    _one(
        "shows what a server quotes",
        "core.answer",
        'description = description.replace(secret.reveal(), "<secret>")',
        "pass",
        "shows_no_secret",
    ),
    _one(
        "gives its answers up when it is stopped",
        "drive",
        "while not ended.is_set() and not task.done() and clock.now() < until:",
        "while False:",
        "waits_for_the_answer_when_stopped",
    ),
    _one(
        "makes up a new device_id at each start",
        "device",
        "    store.save(_NAME, ",
        "    str((_NAME, ",
        "keeps_its_device_id",
    )._replace(
        changes=(
            (
                '    store.save(DEVICE, json.dumps({"device_id": device_id}).encode())\n',
                "",
            ),
        )
    ),
)

_POLLING = (
    _one(
        "polls a millisecond early",
        "core.device_grant",
        "self.due = max(earliest, min(now + delay_ms, self._code().expires_at))",
        "self.due = max(earliest, min(now + delay_ms, self._code().expires_at)) - 1",
        *_EARLY,
    ),
    _one(
        "counts the interval from when it asked",
        "core.device_grant",
        "earliest = now + max(pace_ms, retry_after_ms)",
        "now = self._sent_at\n        earliest = now + max(pace_ms, retry_after_ms)",
        *_EARLY,
    ),
    _one(
        "does not slow down",
        "core.device_grant",
        "self.interval_ms = max(self.interval_ms + _SLOW_DOWN_MS, 1000 * (named or 0))",
        "pass",
        *_EARLY,
    ),
    _one(
        "believes in an interval of nothing",
        "core.device_grant",
        "            _INTERVAL_MS if interval is None else 1000 * interval,\n        )",
        "            0 if interval is None else 1000 * interval,\n        )",
        *_EARLY,
    ),
    _one(
        "does not notice that its clock is fast",
        "core.device_grant",
        "self._clock_is_fast = self._clock_is_fast or self._just_slowed",
        "pass",
        "learns_from_slow_down",
        years=2,
    ),
    _one(
        "waits for no Retry-After of a poll",
        "core.device_grant",
        "earliest = now + max(pace_ms, retry_after_ms)",
        "earliest = now + pace_ms",
        *_EARLY,
    ),
    _one(
        "does not back off when nobody answers",
        "core.device_grant",
        "self._wait(self._backoff.delay_ms(), retry_after_ms, now)",
        "self._wait(self.interval_ms, retry_after_ms, now)",
        "backs_off_without_an_answer",
        given={"at_exchange": 0.5, "troubles": ("no_route", "silence"), "longest_ms": 600_000},
    ),
    _one(
        "polls on when the code has run out",
        "core.device_grant",
        "return self._code().expires_at + min(self.interval_ms, _LATEST_LAST_POLL_MS)",
        "return self._code().expires_at + 10**9",
        "polls_once_at_most_after_the_end",
    )._replace(
        changes=(
            (
                "            if now >= self._code().expires_at:\n                self._end(",
                "            if False:\n                self._end(",
            ),
            (
                "return self._code().expires_at + min(self.interval_ms, _LATEST_LAST_POLL_MS)",
                "return self._code().expires_at + 10**9",
            ),
        )
    ),
    _one(
        "asks on after access_denied",
        "core.device_grant",
        '            self._end("access_denied", answer.error)',
        '            self._wait(self.interval_ms, 0, now)\n            self.step("fault")',
        "leaves_a_code_alone_that_is_over",
    ),
    _one(
        "asks on after expired_token",
        "core.device_grant",
        '            self._end("expired_token", OAuthError("expired_token", answer.error.error_description))',
        '            self._wait(self.interval_ms, 0, now)\n            self.step("fault")',
        "leaves_a_code_alone_that_is_over",
        "polls_once_at_most_after_the_end",
    ),
    _one(
        "shows a code again that its disk did not let go of",
        "pairing",
        "self._agent.spent_code = code.device_code",
        "pass",
        "leaves_a_code_alone_that_is_over",
        years=0.05,
        given=_BOARD_OF_STRANGERS,
    ),
    _one(
        "polls at once after a restart",
        "core.device_grant",
        "self.due = max(self.due, self.not_before)",
        "self.due = self.not_before",
        *_EARLY,
    ),
    _one(
        "forgets over a restart that it was to slow down",
        "core.device_grant",
        '"interval": self.interval_ms // 1000',
        '"interval": 5',
        *_EARLY,
    ),
    _one(
        "shows another code after a restart",
        "pairing",
        "    resumed = _resumed(agent, pending)\n    if resumed is not None:\n        grant, metadata = "
        "resumed\n        try:",
        "    resumed = None\n    if resumed is not None:\n        grant, metadata = resumed\n        try:",
        "goes_on_with_the_same_code",
    ),
    _one(
        "shows codes for ever",
        "prompting",
        "kind, left = _after(agent, error, left - 1)",
        "kind, left = _after(agent, error, left)",
        "shows_codes_only_while_somebody_may_look",
    ),
    _one(
        "shows another code after a denial",
        "prompting",
        "return DENIED, 0",
        "return DENIED, 1",
        "shows_codes_only_while_somebody_may_look",
    ),
)

_WIRE = (
    _one(
        "follows a redirect",
        "drive",
        "    machine.receive(response, clock.now())\n",
        "    if response.header('location'):\n"
        "        request.url = response.header('location')\n"
        "        response = await http.exchange(request)\n"
        "    machine.receive(response, clock.now())\n",
        "speaks_only_to_its_server",
    ),
    _one(
        "believes any issuer",
        "core.metadata",
        "if found != issuer:",
        "if False:",
        "speaks_only_to_its_server",
        given=_HOSTILE,
    ),
    _one(
        "sends people to any address",
        "core.device_grant",
        "if not url.is_secure(address, insecure_http):",
        "if False:",
        "sends_people_to_https_only",
        "shows_only_clean_text",
        given=_HOSTILE,
    ),
    _one(
        "shows any text",
        "core.json_object",
        "if len(value) > limit or not is_clean(value):",
        "if len(value) > limit:",
        "shows_only_clean_text",
        given=_HOSTILE,
    ),
    _one(
        "dies of what is no JSON",
        "core.json_object",
        "    _check_structure(body)\n    try:\n        value = json.loads(text)\n    except ValueError:",
        "    try:\n        value = json.loads(text)\n    except KeyError:",
        "raises_only_typed_errors",
    ),
)

_LINK = (
    _one(
        "counts a sample as sent before it is acknowledged",
        "delivery",
        "        self._mqtt.send(message, lambda code: self._settled(entry, code))\n",
        "        self._outbox.acknowledge(record)\n"
        "        self._mqtt.send(message, lambda code: self._settled(entry, code))\n",
        "skips_no_sample",
    ),
    _one(
        "drops what a broker refuses for now",
        "refusals",
        "if code in _UNFIT or (",
        "if True or (",
        "gives_up_only_what_is_refused",
        given={**_MEASURES, "broker_forbids": 0.2},
    ),
    _one(
        "gives up what was under way when a connection ended",
        "core.suspects",
        "_TRIES = 6\n",
        "_TRIES = 1\n",
        "gives_up_only_what_is_refused",
        given={**_MEASURES, "broker_loses_ack": 0.5},
    ),
    _one(
        "sends more than a broker takes at once",
        "delivery",
        "self._mqtt.room() > 0:\n            record",
        "True:\n            record",
        "keeps_to_the_window",
        given={**_MEASURES, "broker_is_down_ms": 10_800_000},
    ),
    _one(
        "says nothing of a gap",
        "events",
        "for gap in outbox.gaps():",
        "for gap in outbox.gaps() and []:",
        "skips_no_sample",
        given={**_MEASURES, "buffer_bytes": 1024, "broker_is_down_ms": 10_800_000},
    ),
    _one(
        "reconnects at once",
        "link",
        "delay_ms = self._backoff.delay_ms()",
        "delay_ms = 0",
        "waits_before_it_reconnects",
        "hammers_no_broker",
        "waits_between_turns",
    ),
    _one(
        "reconnects without chance",
        "link",
        "Backoff(1000, _LONGEST_PAUSE_MS, entropy.random_bytes(4), _FIRST_PAUSE_MS)",
        'Backoff(1000, _LONGEST_PAUSE_MS, b"same", _FIRST_PAUSE_MS)',
        "spreads_its_reconnects",
        years=6,
    ),
    _one(
        "waits for ever for an acknowledgement",
        "delivery",
        "        self._limit_ms = limit_ms\n",
        "        self._limit_ms = limit_ms << 20\n",
        "leaves_a_silent_broker",
        given={**_MEASURES, "broker_goes_silent": 0.2},
    ),
    _one(
        "does not change tokens with the broker",
        "link",
        '        """The keeper has a new token: reconnect with it before the old one ends."""\n        '
        "self._renewed.set()",
        '        """The keeper has a new token: reconnect with it before the old one ends."""',
        *_STALE,
    ),
    _one(
        "leaves without a word when it changes tokens",
        "link",
        '        await self._mqtt.disconnect()\n        self._emit("mqtt_disconnected"',
        '        self._emit("mqtt_disconnected"',
        "stays_online_in_calm",
    ),
    _one(
        "takes its time to stop",
        "link",
        "_FAREWELL_MS = 3000",
        "_FAREWELL_MS = 300000",
        "stops_in_time",
        given={**_MEASURES, "at_stop": 0.5, "token_s": 900},
    ),
)

_DISK = (
    _one(
        "does not sync what it writes",
        "linux.store",
        "                    os.fsync(descriptor)\n",
        "",
        *_UNSAVED,
        "loses_no_living_token",
    ),
    _one(
        "does not sync the folder",
        "linux.store",
        "            finally:\n                os.close(descriptor)\n            sync_folder(self._folder)\n",
        "            finally:\n                os.close(descriptor)\n",
        *_UNSAVED,
    ),
    _one(
        "writes over what it has",
        "linux.store",
        "                    os.replace(temporary, path)\n",
        "                    os.replace(temporary, path)\n"
        "                    here = os.open(path, os.O_WRONLY)\n"
        "                    os.ftruncate(here, 0)\n"
        "                    write_all(here, value)\n"
        "                    os.fsync(here)\n"
        "                    os.close(here)\n",
        "loses_no_living_token",
        "asks_for_no_code_while_its_pairing_stands",
        *_UNSAVED,
        given={"at_power": 0.5},
    ),
    _one(
        "locks without a lock",
        "linux.store",
        "    except BlockingIOError:\n        return False\n",
        "    except BlockingIOError:\n        return True\n",
        "refreshes_once_at_a_time",
        "loses_no_token_that_arrived",
        "saves_a_token_before_it_is_used",
    ),
)

# Much is measured while the broker is seldom there, on a device that often loses its power.
_AWAY = {
    **_MEASURES,
    "sample_ms": 20_000,
    "at_power": 0.3,
    "broker_is_down_ms": 7_200_000,
    "broker_kicks_ms": 600_000,
    "token_s": 900,
}
_RESENDS = {**_MEASURES, "sample_ms": 10_000, "broker_loses_ack": 0.3, "token_s": 3600}
_SMALL = {**_AWAY, "at_power": 0.05, "buffer_bytes": 1024}

_OUTBOX = (
    _one(
        "forgets at a restart which numbers it has used",
        "core.stream",
        "max(backlog.reserved, following)",
        "following",
        "uses_no_number_twice",
        "accounts_for_every_number",
        given={**_AWAY, "broker_is_down_ms": 0},
    ),
    _one(
        "does not say that it sends something again",
        "core.stream",
        "(seq, as_historical(payload), at) for seq, payload, at in under_way",
        "(seq, payload, at) for seq, payload, at in under_way",
        "marks_repeats",
        given=_RESENDS,
    ),
    _one(
        "puts behind what it has to send again",
        "core.stream",
        "        if self._again:\n            entry = self._again.pop(0)\n        elif",
        "        if self._again and not self._queue:\n            entry = self._again.pop(0)\n        elif",
        "keeps_order",
        "skips_no_sample",
        given={**_RESENDS, "broker_is_down_ms": 3_600_000},
    ),
    _one(
        "flushes once in a while",
        "core.stream",
        "return min(times) + flush_ms if times else None",
        "return min(times) + 100 * flush_ms if times else None",
        "loses_no_more_than_a_flush",
        given=_AWAY,
    ),
    _one(
        "does not flush when it ends",
        "storing",
        "await self._flush(True)",
        "pass",
        "flushes_when_it_stops",
        given={**_AWAY, "at_stop": 0.3},
    ),
    _one(
        "lets a stop cut its last flush short",
        "agent",
        "await uninterrupted(storing.finish(), self.ports.clock, _FLUSH_MS)",
        "await storing.finish()",
        "flushes_when_it_stops",
        "tells_of_a_restart_only_after_one",
        years=0.1,
        given={**_AWAY, "at_stop": 0.2, "at_revocation": 0.3, "at_power": 0},
    ),
    _one(
        "tells late of what it could not read",
        "delivery",
        "tell_gaps(self._emit, self._outbox)  # what",
        "pass  # what",
        "skips_no_sample",
        given={**_AWAY, "at_disk": 0.5, "at_power": 0},
    ),
    _one(
        "writes each sample by itself",
        "storing",
        "due = self.outbox.flush_due(self._clock.now())\n        if due is not None and (",
        "due = self._clock.now()\n"
        "        self.outbox._bounds['telemetry'] = Bounds(65536, 9999, 1 << 40, 0, 1)\n"
        "        if due is not None and (",
        "writes_in_batches",
        given={**_AWAY, "sample_ms": 10_000, "at_power": 0},
    ),
    _one(
        "removes segments that are still wanted",
        "core.backlog",
        "while len(self.segments) > 1 and self.segments[1].first <= self.mark:",
        "while len(self.segments) > 1:",
        "reads_what_it_wrote",
        "skips_no_sample",
        "delivers_what_was_flushed",
        "accounts_for_every_number",
        given=_AWAY,
    ),
    _one(
        "keeps what it drops to itself",
        "core.stream",
        "            join_gap(self.lost, reason, count, first, last)\n",
        "            pass\n",
        "accounts_for_every_number",
        given=_SMALL,
    ),
    _one(
        "notes as done what is under way",
        "core.stream",
        "max(self._floor, min([self._cursor] + self._handed_out()))",
        "self._cursor",
        "delivers_what_was_flushed",
        "accounts_for_every_number",
        given={**_AWAY, "broker_goes_silent": 0.3},
    ),
)

MUTANTS = _TOKENS + _KEEPING + _POLLING + _WIRE + _LINK + _DISK + _OUTBOX
