"""An HTTP/1.1 answer, read piece by piece as it comes (RFC 9112). No socket, no clock, no asyncio.

    reader = ResponseReader("POST", 16384)
    while not reader.feed(piece): ...          # pieces of any size; True once the answer is complete
    reader.end()                               # in place of a piece: the connection ended
    reader.response()

What does not keep to the rules is refused as soon as it is seen: ProtocolError for what is not HTTP,
TransportError for an answer that is cut off or too large.
"""

from pairlet.core.errors import ProtocolError, TransportError
from pairlet.core.http import Response

MAX_LINE = 2048  # bytes of one line, its end included
MAX_HEADER = 8192  # bytes of all header and trailer lines, those of interim answers with them
_MAX_FIELDS = 64  # each costs a board some 50 bytes beside its text

_DIGITS = b"0123456789abcdefABCDEF"
_TOKEN = b"!#$%&'*+-.^_`|~ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ" + _DIGITS  # RFC 9110 section 5.6.2

_STATUS = "status line"
_FIELDS = "header"
_BODY = "body"
_SIZE = "chunk size"
_CHUNK_END = "end of a chunk"
_TRAILER = "trailer"


class ResponseReader:
    """Reads one answer to a request of `method` whose body has `max_body` bytes at most.

    `done`: the answer is complete; what comes after it is not looked at, because every connection
    carries one exchange. `left`: bytes of the body or chunk that are still to come; -1 if only the end of
    the connection completes the answer (RFC 9112 section 6.3, rule 8).
    """

    def __init__(self, method: str, max_body: int):
        self.done = False
        self._has_body = method != "HEAD"
        self._room = self._max_body = max_body
        self._header_room = MAX_HEADER
        self._state = _STATUS
        self._line = b""  # the beginning of a line whose end is still to come
        self.left = 0
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    def feed(self, data: bytes) -> bool:
        """Take what came next; return `done`. Raises ProtocolError and TransportError."""
        at = 0
        while at < len(data) and not self.done:
            at = self._take_body(data, at) if self.left else self._take_line(data, at)
        return self.done

    def end(self) -> None:
        """The connection ended. TransportError unless the answer is complete, or completed by that."""
        if self.left < 0:
            self.left = 0
            self.done = True
        if not self.done:
            raise TransportError("the answer was cut off")

    def response(self) -> Response:
        """The answer; TransportError while it is not `done`."""
        if not self.done:
            raise TransportError("the answer is not complete")
        return Response(self._status, self._headers, bytes(self._body))

    def _take_body(self, data: bytes, at: int) -> int:
        end = len(data)
        if 0 < self.left < end - at:
            end = at + self.left
        count = end - at
        self._claim(count)
        self._room -= count
        self._body.extend(memoryview(data)[at:end])
        if self.left > 0:
            self.left -= count
            self.done = self.left == 0 and self._state == _BODY
        return end

    def _claim(self, count: int) -> None:
        """TransportError if `count` more bytes of body are too many. Asked before anything is kept."""
        if count > self._room:
            raise TransportError("the answer is larger than %d bytes" % self._max_body)

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        line = self._line + data[at : end or len(data)]
        if len(line) > MAX_LINE:
            raise _not_http(self._state)
        if not end:
            self._line = line
            return len(data)
        self._line = b""
        if self._state not in (_SIZE, _CHUNK_END):
            self._header_room -= len(line)
            if self._header_room < 0:
                raise _not_http(self._state)
        elif not line.endswith(b"\r\n"):
            raise _not_http(self._state)
        # RFC 9112 section 2.2: in a header, though not in chunks, a single LF may be taken for CRLF.
        self._on_line(line[:-2] if line.endswith(b"\r\n") else line[:-1])
        return end

    def _on_line(self, line: bytes) -> None:
        state = self._state
        if state == _STATUS:
            self._on_status(line)
        elif state == _FIELDS:
            if line:
                self._on_field(line)
            else:
                self._on_header_end()
        elif state == _SIZE:
            # Chunk extensions, after a ";", mean nothing to anybody (RFC 9112 section 7.1.1).
            self.left = _number(line.partition(b";")[0].rstrip(b" \t"), 16, state)
            self._claim(self.left)
            self._state = _CHUNK_END if self.left else _TRAILER
        elif state == _CHUNK_END:
            if line:
                raise _not_http(state)
            self._state = _SIZE
        else:
            self.done = not line  # trailer fields are passed over (RFC 9110 section 6.5.1)

    def _on_status(self, line: bytes) -> None:
        """RFC 9112 section 4: HTTP-version SP status-code SP [ reason-phrase ]."""
        if line[:7] != b"HTTP/1." or line[8:9] != b" " or line[12:13] not in (b"", b" "):
            raise _not_http(_STATUS)
        _number(line[7:8], 10, _STATUS)
        self._status = _number(line[9:12], 10, _STATUS)
        if self._status < 100 or len(line) < 12:
            raise _not_http(_STATUS)
        self._state = _FIELDS

    def _on_field(self, line: bytes) -> None:
        """RFC 9112 section 5: field-name ":" OWS field-value OWS. No space before the colon."""
        headers = self._headers
        if line[0] in b" \t" and headers:  # the rest of a folded line (section 5.2)
            name, value = headers.pop()
            headers.append((name, (value + " " + _value(line)).strip(" ")))
            return
        raw, colon, rest = line.partition(b":")
        if not colon or not _made_of(raw, _TOKEN) or len(headers) >= _MAX_FIELDS:
            raise _not_http(_FIELDS)
        headers.append((raw.decode().lower(), _value(rest)))

    def _on_header_end(self) -> None:
        """RFC 9112 section 6.3: how long the body is."""
        status = self._status
        if status < 200:
            if status == 101:  # nobody asked to switch protocols
                raise _not_http("status 101")
            self._headers = []
            self._state = _STATUS
            return
        length = self._only("content-length")
        coding = self._only("transfer-encoding")
        self._state = _BODY
        if not self._has_body or status in (204, 304):
            self.done = True
        elif coding is not None:
            # Two lengths are an attack or a mistake (section 6.1), and other codings were not asked for.
            if length is not None or coding.lower() != "chunked":
                raise _not_http("transfer-encoding")
            self._state = _SIZE
        elif length is None:
            self.left = -1
        else:
            self.left = _number(length.encode(), 10, "content-length")
            self._claim(self.left)
            self.done = not self.left

    def _only(self, name: str) -> "str | None":
        """The value of the header `name`, None without it; ProtocolError if it is there twice."""
        values = [value for key, value in self._headers if key == name]
        if len(values) > 1:
            raise _not_http(name)
        return values[0] if values else None


def _not_http(what: str) -> ProtocolError:
    return ProtocolError("the answer is not HTTP: bad " + what)


def _number(digits: bytes, base: int, what: str) -> int:
    """`digits` as a number. int() alone would also take signs, spaces, underscores and 0x."""
    if len(digits) > 16 or not _made_of(digits, _DIGITS if base == 16 else _DIGITS[:10]):
        raise _not_http(what)
    return int(digits, base)


def _made_of(data: bytes, allowed: bytes) -> bool:
    for byte in data:
        if byte not in allowed:
            return False
    return bool(data)


def _value(raw: bytes) -> str:
    """A field value as text: Latin-1, as it was of old; control characters are refused (section 5.5)."""
    raw = raw.strip(b" \t")
    plain = True
    for byte in raw:
        if byte > 126 or byte < 32:
            if byte == 127 or (byte < 32 and byte != 9):
                raise _not_http(_FIELDS)
            plain = False
    # Almost every value is ASCII, and one character at a time makes a board's heap a mess.
    return raw.decode() if plain else "".join([chr(byte) for byte in raw])
