"""Rules 1, 3 and 8: lose no refresh token, refresh once at a time, ahead of the end and not as one."""

import re
from typing import TYPE_CHECKING

from ..clock import RIGHT
from ..http_port import CODE, REFRESH, Exchange
from ..model import MARK
from ..model.grants import AccessToken, Family, Grants, Rotation
from ..process import UNPAIR
from ..weather import SETTLED_MS
from .polling import members_of

if TYPE_CHECKING:
    from ..process import Process
    from ..world import World

_TOKEN = re.compile(MARK.encode() + rb"[ra]\d+")
# However long it backs off, after so long without trouble it has tried again.
_LONGEST_PAUSE_MS = 240_000
# Ahead by the larger of a minute and a fifth of its life, half its life at most, and a tenth by chance:
# below this part of its life nobody has a reason to replace a token.
_YOUNG = 0.3
_SPREAD_FROM = 6
# By a clock that may be 30 % fast.
_FAREWELL_MS = 3500


def saves_a_token_before_it_is_used(text: str, settled: bytes, refused: bool) -> str:
    """What is used would survive a power cut in this moment, unless the disk refuses to take it."""
    if refused or text.encode() in settled:
        return ""
    return f"it used {text}, which a power cut would take from it now"


def refreshes_once_at_a_time(others: int) -> str:
    """Within a process or between processes."""
    return "it refreshed while another refresh was under way" if others else ""


def loses_no_living_token(before: list[str], after: list[str], grants: Grants, now: int) -> str:
    """What replaces a token on disk holds one that the server takes, if the old one did."""
    living = [text for text in before if not grants.refusal(text, now)]
    if not living or any(not grants.refusal(text, now) for text in after):
        return ""
    return f"it gave up {living[0]}, which the server would still take"


def asks_for_no_code_while_its_pairing_stands(tokens: list[str], grants: Grants, now: int) -> str:
    """Nobody has to walk to a device that is paired."""
    living = [text for text in tokens if not grants.refusal(text, now)]
    return f"it asked for a code while it had {living[0]}, which the server takes" if living else ""


def lets_a_token_live_to_its_end(left_ms: int, life_ms: int) -> str:
    """One that can't be renewed is worth something until it ends, by a clock that may be 30 % fast."""
    early = left_ms > life_ms // 3 + 60_000
    return f"it un-paired {left_ms} ms before its token's end" if early else ""


def unpairs_only_when_the_server_has_ended_it(ended: str) -> str:
    """Only an authoritative invalid_grant ends a pairing."""
    return "" if ended else "it un-paired, and the server still has the pairing"


def loses_no_token_that_arrived(rotation: Rotation, disturbed: bool, overtaken: bool) -> str:
    """A pairing that ended by reuse: the successor never arrived, or the power went before it was on disk.

    `overtaken`: or the request of a process that was killed reached the server after that of the next one.
    """
    if not rotation.arrived or (disturbed and not rotation.kept) or overtaken:
        return ""
    return f"it used {rotation.old} again although {rotation.new} had arrived"


def tries_again_within_the_grace(rotation: Rotation, quiet_ms: int) -> str:
    """While a server forgives a lost answer, the device tries again: at once after a reboot, too."""
    if rotation.until == rotation.at or quiet_ms <= _LONGEST_PAUSE_MS:
        return ""
    return f"in {quiet_ms // 1000} s without trouble it did not try {rotation.old}, which would have worked"


def refreshes_ahead_of_the_end(token: AccessToken, calm_since: int, now: int) -> str:
    """In calm times the token is replaced before it ends."""
    if now < token.ends or token.ends < calm_since + SETTLED_MS:
        return ""
    return f"it refreshed {now - token.ends} ms after the token's end"


def leaves_a_young_token_alone(token: AccessToken, asked: int, excuses: int, now: int) -> str:
    """No storm of refreshes, whatever the wall clock does. Lives count from when a token was asked for."""
    age, life = now - asked, token.ends - token.issued
    if age >= _YOUNG * life or excuses > 0:
        return ""
    return f"it refreshed a token after {age / life:.0%} of its life, and for no reason"


def waits_after_a_failed_refresh(tries: "Tries", waited_ms: int) -> str:
    """Longer and longer, from a second up; after an error, too."""
    least = min(1000 << min(tries.failures - 1, 6), 60_000) if tries.failures else 0
    least = max(least, 1000 if tries.refused else 0)
    return (
        f"it refreshed {waited_ms} ms after {tries.failures} failures in a row" if waited_ms < least else ""
    )


def waits_for_the_answer_when_stopped(waited_ms: int) -> str:
    """Who stops it gives it five seconds: the answer may hold the only refresh token that is still good."""
    return f"it left a refresh {waited_ms} ms after it was asked to stop" if waited_ms < _FAREWELL_MS else ""


def waits_for_the_answer_unless_stopped(kind: str) -> str:
    """Nothing but a stop gives up a refresh that has left: it has a limit of its own."""
    return "it left a refresh, and nobody had asked it to stop" if kind == REFRESH else ""


def spreads_its_refreshes(early: list[float]) -> str:
    """Devices (here: starts of one) do not refresh as one: chance moves each by up to a tenth of the life."""
    if len(early) < _SPREAD_FROM or max(early) > 0.01:
        return ""
    return f"{len(early)} starts of it refreshed at the very same part of their token's life"


class Tries:
    """How a process has fared since its last success with the refresh token `text`: `failures` in a row, or
    `refused` with an error. `at`: ms."""

    def __init__(self, text: str, failures: int, refused: bool, at: int):
        self.text = text
        self.failures = failures
        self.refused = refused
        self.at = at


class TokenWitness:
    """Sees what is on disk, each refresh, and each end of a pairing."""

    def __init__(self, world: "World"):
        self._world = world
        # What a power cut would leave on disk now, and the tokens in it.
        self.settled = b""
        self.refresh_tokens: list[str] = []
        self._access: list[str] = []
        self.disk_refuses = False
        self.doubtful = False
        # Whether the calendar was right when the token was saved, and in which boot that was.
        self._dated = (True, "")
        # The access token that was accepted last, and the one that was on disk last.
        self._proved = self._access_before = ""
        # The last access token that arrived.
        self._arrived = ""
        # The last refresh token that was sent.
        self._sent = ""
        # When the device asked for the newest access token.
        self._asked = 0
        # Whether the last refresh has brought nothing onto the disk yet: then a start may ask again.
        self._unanswered = False
        self._under_way: list[Exchange] = []
        self._tries: dict[object, Tries] = {}
        self._once_settled: set[str] = set()
        # What came while the disk took nothing: its process uses it, whatever another one saves by now.
        self._memory_only: set[str] = set()
        self._excuses: dict[object, int] = {}
        self._early: list[float] = []
        self._counted: set[object] = set()
        # Whether it was ended by a request that had left before there was a successor, its process gone.
        self._overtaken: dict[Family, bool] = {}

    @property
    def access_token(self) -> "AccessToken | None":
        """The newest access token that a power cut would leave on disk now."""
        return self._world.server.grants.access.get(self._access[0]) if self._access else None

    def begins(self, process: "Process") -> None:
        """A process starts."""
        right, boot_id = process.clock.is_right(), process.clock.boot_id()
        known = (right and self._dated[0]) or (boot_id != "" and boot_id == self._dated[1])
        # Where the end can't be known for sure, a token counts as ended once.
        self._excuses[process] = 0 if known else 1
        self.doubtful = self.doubtful or not known

    def broke(self) -> None:
        """Power or process broke off: a refresh may have been noted on disk that never left."""
        self._unanswered = True

    def disk_fails(self) -> None:
        """The disk takes nothing, so that what has just come counts all the same."""
        self.disk_refuses = True
        self._memory_only.add(self._arrived)

    def excused(self, process: "Process") -> None:
        """The broker has refused the token: there is a reason to ask for another."""
        self._excuses[process] = 1

    def ends(self, process: "Process") -> None:
        """A process is gone, and its exchange with it."""
        self._under_way = [exchange for exchange in self._under_way if exchange.process is not process]
        self._arrived = ""
        self._tries.pop(process, None)
        self._excuses.pop(process, None)

    def saved(self, settled: "bytes | None") -> None:
        """The disk has changed: `settled` is what a power cut would leave now, None while that depends."""
        if settled is None and self._world.device.disk.is_gone("token"):
            settled = b""
        if settled is None or settled == self.settled:
            return
        world, now = self._world, self._world.schedule.now
        texts = [found.decode() for found in _TOKEN.findall(settled)]
        before, self.settled = self.refresh_tokens, settled
        after = self.refresh_tokens = [text for text in texts if text.startswith(MARK + "r")]
        access = [text for text in texts if text.startswith(MARK + "a")]
        self._once_settled.update(access)
        self.disk_refuses = False
        if access:
            self._access_before = access[0]
        if access != self._access:
            self._access, self._unanswered = access, False
            self._tries.clear()  # whichever process it was that fared better
        # Whose it was that a power cut has left there, nobody can say.
        self._dated = (False, "")
        if world.device.processes:
            clock = world.device.processes[-1].clock
            self._dated = clock.is_right(), clock.boot_id()
        for text in after:
            token = world.server.grants.refresh.get(text)
            if token is not None and token.origin is not None:
                token.origin.kept = True
        world.note("disk", "holds %s", ", ".join(texts) or "no token")
        forgotten = after and after[0] in world.server.grants.forgotten
        if not world.asked_to_unpair and not forgotten:
            world.judge(loses_no_living_token, before, after, world.server.grants, now)

    def proved(self, access_token: str) -> None:
        """The access token was accepted: what came before it is of no more use, even while it is on disk."""
        self._proved = access_token
        if self._access[:1] == [access_token]:
            self.refresh_tokens = self.refresh_tokens[:1]

    @property
    def was_dated(self) -> bool:
        """Whether what is on disk was saved with a calendar that was right."""
        return self._dated[0]

    @property
    def has_saved_what_counts(self) -> bool:
        """Whether the last token that arrived is on disk, or a later one."""
        return not self._arrived or self._arrived in self._once_settled

    def uses(self, text: str) -> None:
        """The device shows an access token to somebody; another process may have a newer one by now."""
        excused = self.disk_refuses or text in self._once_settled or text in self._memory_only
        self._world.judge(saves_a_token_before_it_is_used, text, self.settled, excused)

    def sent(self, exchange: Exchange) -> None:
        """A request leaves."""
        world, now = self._world, self._world.schedule.now
        if exchange.kind == CODE and not world.asked_to_unpair:
            world.judge(
                asks_for_no_code_while_its_pairing_stands, self.refresh_tokens, world.server.grants, now
            )
        if exchange.kind != REFRESH:
            return
        text = self._sent = exchange.fields["refresh_token"]
        if not world.asked_to_unpair:
            # Whoever un-pairs in another process takes it from the disk while this one is about to use it.
            world.judge(saves_a_token_before_it_is_used, text, self.settled, self.disk_refuses)
        world.judge(refreshes_once_at_a_time, len(self._under_way))
        self._under_way.append(exchange)
        process = exchange.process
        tries = self._tries.get(process)
        # Once one is refused, the one before it may be tried at once: the server may have lost its successor.
        if tries is not None and tries.text == text:
            world.judge(waits_after_a_failed_refresh, tries, world.device.now() - tries.at)
        token = self.access_token
        if token is not None and tries is None and not self._unanswered:
            self._judge_time(process, token, now)
        self._unanswered = True

    def _judge_time(self, process: "Process", token: AccessToken, now: int) -> None:
        world = self._world
        excuses = self._excuses.get(process, 0)
        asked = min(self._asked, token.issued)
        world.judge(leaves_a_young_token_alone, token, asked, excuses, now)
        if now - asked < _YOUNG * (token.ends - token.issued):
            self._excuses[process] = excuses - 1
        if not token.said or self.doubtful or world.device.slowest_ppm < 0.98 * RIGHT or not world.is_calm:
            return
        world.judge(refreshes_ahead_of_the_end, token, max(world.calm_since, process.began), now)
        self._note_spread(process, token, now)

    def _note_spread(self, process: "Process", token: AccessToken, now: int) -> None:
        """How much earlier than it had to the first undisturbed refresh of a start came, in lives."""
        life = token.ends - token.issued
        if (
            process in self._counted
            or token.issued < max(self._world.calm_since, process.began)
            or life < 600_000
        ):
            return
        if not 0.99 * RIGHT < self._world.device.clock.ppm < 1.01 * RIGHT:
            return
        self._counted.add(process)
        latest = token.ends - min(max(60_000, life // 5), life // 2)
        self._early.append((latest - now) / life)

    def reached(self, exchange: Exchange) -> None:
        """The server has seen a refresh."""
        families = self._world.server.grants.families
        reused = families[-1].reused if families else None
        if reused is not None:
            was_late = exchange.process.loop.ended and exchange.left <= reused.at
            self._overtaken.setdefault(families[-1], was_late)

    def abandoned(self, exchange: Exchange) -> None:
        """The device waits no longer for an answer."""
        stopping = exchange.process.stopping
        if stopping is None:
            self._world.judge(waits_for_the_answer_unless_stopped, exchange.kind)
        elif exchange.kind == REFRESH:
            self._world.judge(waits_for_the_answer_when_stopped, self._world.schedule.now - stopping)
        self._forget(exchange)

    def _forget(self, exchange: Exchange) -> None:
        self._under_way = [other for other in self._under_way if other is not exchange]

    def answered(self, exchange: Exchange) -> None:
        """An answer arrives."""
        members = members_of(exchange)
        arrived = isinstance(members.get("access_token"), str)
        if arrived:
            self._asked, self._arrived = exchange.left, str(members["access_token"])
        if exchange.kind != REFRESH:
            return
        self._forget(exchange)
        if arrived:
            self._tries.pop(exchange.process, None)
            return
        tries = self._tries.get(exchange.process)
        # A verdict ends a series of tries; the next one begins from a short pause again.
        said = "error" in members or "access_token" in members
        refused = said and exchange.answer is not None and exchange.answer.status < 429
        text = exchange.fields["refresh_token"]
        before = tries.failures if tries is not None and tries.text == text else 0
        failures = 0 if refused else 1 + before
        self._tries[exchange.process] = Tries(text, failures, refused, self._world.device.now())

    def heard(self, event: str, fields: dict[str, object]) -> None:
        """An event of the agent's."""
        if event in ("refreshed", "paired"):
            # A process that has just got a token knows how long it is good for.
            self.doubtful = False
            # Whoever un-pairs may have waited for this very refresh.
            if not any(process.command == UNPAIR for process in self._world.device.processes):
                self._world.asked_to_unpair = False
        elif event == "unpaired":
            self._judge_end(str(fields["reason"]))

    def _judge_end(self, reason: str) -> None:
        """Why a pairing has ended; what was unavoidable is counted by its reason."""
        world, grants = self._world, self._world.server.grants
        family = grants.families[-1] if grants.families else Family(0)
        if world.asked_to_unpair:
            world.tally.unpaired("asked for")
            return
        if reason == "expired" and not grants.can_be_renewed(family):
            token = grants.access.get(self._access_before)
            if token is not None and not self.doubtful:
                left_ms, life_ms = token.ends - world.schedule.now, token.ends - token.issued
                world.judge(lets_a_token_live_to_its_end, left_ms, life_ms)
            world.tally.unpaired("no refresh token, and the access token had ended")
            return
        if not family.ended and self._sent in grants.forgotten and self._access_before == self._proved:
            # The token before had been given up: the new one had worked.
            world.tally.unpaired("the server had lost what it had given out, after it had been used")
            return
        world.judge(unpairs_only_when_the_server_has_ended_it, family.ended)
        rotation = family.reused
        if family.ended != "used again" or rotation is None:
            world.tally.unpaired(family.ended or "no reason")
            return
        disturbed = world.device.broke_since(rotation.at)
        overtaken = self._overtaken.get(family, False)
        world.judge(loses_no_token_that_arrived, rotation, disturbed, overtaken)
        world.judge(tries_again_within_the_grace, rotation, world.quiet_ms(rotation.at, rotation.until))
        why = "it broke before the answer was on disk"
        if not rotation.arrived:
            why = "the answer was lost"
        elif overtaken:
            why = "what it had sent before it was killed came in late"
        if rotation.until > rotation.at:
            why += ", for longer than the server's grace"
        world.tally.unavoidable(why)

    def finish(self) -> None:
        """The life is over."""
        self._world.judge(spreads_its_refreshes, self._early)
