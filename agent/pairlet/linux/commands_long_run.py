"""An agent at work for years: in that time the server may put its endpoints elsewhere. Not for boards."""

from typing import TYPE_CHECKING

from ..agent import Agent
from ..core.errors import PairletError
from ..drive import Patience

if TYPE_CHECKING:
    from ..core.metadata import ServerMetadata
    from ..drive import Trouble

# So long is the pause of a refresh that has failed for some minutes; longer only if the server asked for it.
_LEAST_MS, _MOST_MS = 60_000, 150_000
# Also what a Retry-After of the metadata may ask for: nobody is held to more.
_AGAIN_MS = 3_600_000


class _SearchError(Exception):
    """A refresh has failed for so long that the endpoint may be gone."""


class LongRunAgent(Agent):
    """Searches for the server's metadata once more when a refresh goes on failing, and then once an hour.
    What a search does not find stays as it was."""

    _searched_at = 0
    _wants_search = False

    async def refresh(self, trouble: "Trouble") -> None:
        """As Agent.refresh; in trouble it goes on where the endpoints are by now."""

        def told(error: PairletError | None, pause_ms: int = 0) -> None:
            if error is not None and _LEAST_MS <= pause_ms <= _MOST_MS:
                self._wants_search = self.ports.clock.now() - self._searched_at >= _AGAIN_MS
            trouble(error, pause_ms)  # without patience for it: by the next refresh
            if self._wants_search:
                raise _SearchError

        while True:
            metadata = await self.find(trouble)
            try:
                await self.keeper.refresh(metadata, self.client, self.ports.http, told)
                return
            except _SearchError:
                pass

    async def find(self, trouble: "Trouble") -> "ServerMetadata":
        """As Agent.find, but where it is by now."""
        known = self._metadata
        if known is None:
            self._searched_at = self.ports.clock.now()
        elif self._wants_search:
            await self._look_anew(known)
        return await super().find(trouble)

    async def _look_anew(self, known: "ServerMetadata") -> None:
        from ..discovery import find_metadata  # as in Agent.find

        ports = self.ports
        try:
            found = await find_metadata(self.config, ports.http, ports.clock, ports.entropy, Patience(1))
        except PairletError:
            return  # the request that follows tells of it
        finally:
            self._searched_at, self._wants_search = ports.clock.now(), False
        if vars(found) != vars(known):
            self._metadata = found
            # They would go on asking at the old address.
            self.keeper.grant = self.keeper.asking = None
