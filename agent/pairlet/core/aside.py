"""Where messages go that no broker takes: files of JSON lines for a person to look at, bounded in bytes."""

from .errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .segments import Log


_MOST = 16


class Aside:
    """Payloads on `log`, one a line; of two segments of half of `most_bytes` the older one goes."""

    def __init__(self, log: "Log", most_bytes: int):
        self._log = log
        self._half = most_bytes // 2
        self._segments = sorted(log.segments())
        self._waiting: list[bytes] = []

    def add(self, payload: bytes) -> None:
        """Keep `payload` with the next flush()."""
        self._waiting = (self._waiting + [payload])[-_MOST:]

    async def flush(self) -> None:
        """Write what waits. Raises StoreError."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []  # more may come while these are written
        data = b"".join([payload + b"\n" for payload in waiting])
        segments = self._segments
        if not segments or segments[-1][1] >= self._half:
            segments.append((segments[-1][0] + 1 if segments else 0, 0))
        number, size = segments[-1]
        try:
            await self._log.append(number, data)
        except StoreError:
            self._waiting = (waiting + self._waiting)[-_MOST:]
            raise
        segments[-1] = (number, size + len(data))
        if len(segments) > 2:
            await self._log.remove([number for number, _ in segments[:-2]])
            self._segments = segments[-2:]
