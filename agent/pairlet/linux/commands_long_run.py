"""An agent at work for years: in that time the server may put its endpoints elsewhere. Not for boards."""

from typing import TYPE_CHECKING

from ..agent import Agent
from ..core.errors import PairletError
from ..drive import Patience

if TYPE_CHECKING:
    from ..core.metadata import ServerMetadata
    from ..drive import Trouble

_DAY_MS = 86_400_000
# So long is the pause of a refresh that has failed for some minutes; longer only if the server asked for it.
_LEAST_MS, _MOST_MS = 60_000, 150_000
# Also what a Retry-After of the metadata may ask for: nobody is held to more.
_AGAIN_MS = 3_600_000


class _SearchError(Exception):
    """A refresh has failed for so long that the endpoint may be gone."""


class LongRunAgent(Agent):
    """Searches for the server's metadata once a day, and once an hour while a refresh fails. What a
    search does not find stays as it was."""

    _searched_at = 0

    async def refresh(self, trouble: "Trouble") -> None:
        """As Agent.refresh; in trouble it goes on where the endpoints are by now."""

        def told(error: PairletError | None, pause_ms: int = 0) -> None:
            wanted = error is not None and _LEAST_MS <= pause_ms <= _MOST_MS and self._age_ms() >= _AGAIN_MS
            if wanted:
                self._searched_at -= _DAY_MS  # by the next refresh, if `trouble` has no patience for it
            trouble(error, pause_ms)
            if wanted:
                raise _SearchError

        while True:
            metadata = await self.find(trouble)
            try:
                await self.keeper.refresh(metadata, self.client, self.ports.http, told)
                return
            except _SearchError:
                pass

    async def find(self, trouble: "Trouble") -> "ServerMetadata":
        """As Agent.find, for a day."""
        known = self._metadata
        if known is None:
            self._searched_at = self.ports.clock.now()
        elif self._age_ms() >= _DAY_MS:
            await self._look_anew(known)
        return await super().find(trouble)

    def _age_ms(self) -> int:
        now: int = self.ports.clock.now()
        return now - self._searched_at

    async def _look_anew(self, known: "ServerMetadata") -> None:
        from ..discovery import find_metadata  # as in Agent.find

        ports = self.ports
        try:
            found = await find_metadata(self.config, ports.http, ports.clock, ports.entropy, Patience(1))
        except PairletError:
            return  # the request that follows tells of it
        finally:
            self._searched_at = ports.clock.now()
        if vars(found) != vars(known):
            self._metadata = found
            # They would go on asking at the old address.
            self.keeper.grant = self.keeper.asking = None
