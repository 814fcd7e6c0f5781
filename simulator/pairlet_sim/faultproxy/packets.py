"""Finds the PUBACKs in what a broker sends, without holding up anything else."""

_PUBACK = 0x40
# Fixed header (section 2.1 of MQTT 5): a type and up to four bytes of length.
_LONGEST_HEADER = 5


class PubackFinder:
    """Cuts a stream into pieces: every PUBACK whole and by itself, all else as it comes.

    What is no MQTT (TLS, say) goes through untouched from there on.
    """

    def __init__(self) -> None:
        self._start = b""  # of a packet whose length is not known yet, or of a PUBACK that is not whole
        self._passing = 0  # bytes still to come of a packet that is no PUBACK
        self._lost = False

    def feed(self, data: bytes) -> list[tuple[bytes, bool]]:
        """The pieces that are complete now, in order, each with whether it is a PUBACK."""
        pieces: list[tuple[bytes, bool]] = []
        data, self._start = self._start + data, b""
        at = begin = 0
        while at < len(data):
            if self._lost:
                break
            if self._passing:
                step = min(self._passing, len(data) - at)
                self._passing -= step
                at += step
                continue
            length = _packet_length(data, at)
            if length is None:
                if len(data) - at < _LONGEST_HEADER:
                    break
                self._lost = True
            elif data[at] & 0xF0 != _PUBACK:
                self._passing = length
            elif at + length > len(data):
                break
            else:
                _add(pieces, data[begin:at], False)
                _add(pieces, data[at : at + length], True)
                begin = at = at + length
        if self._lost:
            at = len(data)
        _add(pieces, data[begin:at], False)
        self._start = data[at:]
        return pieces


def _add(pieces: list[tuple[bytes, bool]], piece: bytes, is_puback: bool) -> None:
    if piece:
        pieces.append((piece, is_puback))


def _packet_length(data: bytes, at: int) -> int | None:
    """Bytes of the whole packet that begins there; None where its length is not all there, or is none."""
    length = 0
    for index, byte in enumerate(data[at + 1 : at + _LONGEST_HEADER]):
        length |= (byte & 127) << 7 * index
        if byte < 128:
            return length + index + 2
    return None
