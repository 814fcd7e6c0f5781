"""The board's reader of HTTP answers against two others: h11 and the standard library's http.client."""

import http.client
import io
from typing import Any

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pairlet.core.errors import ProtocolError, TransportError
from pairlet_board.http_parser import ResponseReader

ROOM = 4096
REFUSED = None

# status, header fields, body
Read = tuple[int, list[tuple[str, str]], bytes]


def ours(data: bytes, size: int = 0) -> Read | None:
    """What the board reads from `data` and the end after it, in pieces of `size`; None if it refuses."""
    reader = ResponseReader("POST", ROOM)
    try:
        for at in range(0, len(data), size or len(data) or 1):
            if reader.feed(data[at : at + (size or len(data))]):
                break
        reader.end()
    except (ProtocolError, TransportError):
        return REFUSED
    response = reader.response()
    return response.status, response.headers, response.body


def by_h11(data: bytes) -> Read | None:
    """What h11 reads."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    found: Any = None
    body = b""
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                found = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                return REFUSED
    except h11.RemoteProtocolError:
        return REFUSED
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in found.headers]
    return found.status_code, headers, body


def by_http_client(data: bytes) -> Read | None:
    """What http.client reads."""

    class Sock:
        """As much of a socket as http.client reads from."""

        def makefile(self, mode: str) -> io.BytesIO:
            """All of the answer."""
            return io.BytesIO(data)

    response = http.client.HTTPResponse(Sock(), method="POST")  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError, OSError):
        return REFUSED
    return response.status, [(name.lower(), _tidy(str(value))) for name, value in response.getheaders()], body


def _tidy(value: str) -> str:
    """A value without the space around it, and on one line: http.client leaves both to its caller."""
    lines = [line.strip(" \t") for line in value.replace("\r\n", "\n").split("\n")]
    return " ".join(lines).strip(" ")


# ---- answers as servers may send them ----------------------------------------------------------

TOKEN = st.text("abcXYZ019-_.!#$%&'*+^`|~", min_size=1, max_size=10)
VISIBLE = "".join(map(chr, [*range(33, 127), *range(0xA1, 0x100)]))
VALUE = st.lists(st.text(VISIBLE, min_size=1, max_size=8), max_size=4).map(" ".join)
FRAMING = ("content-length", "transfer-encoding", "connection", "upgrade")
FIELDS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in FRAMING), VALUE), max_size=5)
# http.client reads a body in chunks even where there is none to be (RFC 9112 section 6.3, rule 1).
STATUS = st.integers(200, 599).filter(lambda status: status not in (204, 304))


def encoded(fields: list[tuple[str, str]]) -> bytes:
    """Header lines."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A whole answer in one of the three framings, perhaps with interim ones before it."""
    body = draw(st.binary(max_size=200))
    head = b"HTTP/1.1 %d %s\r\n" % (draw(STATUS), draw(VALUE).encode("latin-1")) + encoded(draw(FIELDS))
    for _ in range(draw(st.integers(0, 2))):
        head = b"HTTP/1.1 100 Continue\r\n" + encoded(draw(FIELDS)) + b"\r\n" + head
    framing = draw(st.sampled_from(["length", "chunked", "end"]))
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if framing == "end":
        return head + b"\r\n" + body
    data = head + b"Transfer-Encoding: chunked\r\n\r\n"
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a", b';a="b"']))
        data += b"%x%s\r\n%s\r\n" % (size, extension, body[:size])
        body = body[size:]
    return data + b"0\r\n" + encoded(draw(FIELDS)) + b"\r\n"


@settings(max_examples=300, deadline=None)
@given(answers(), st.integers(1, 40))
def test_good_answers_are_read_as_others_do(data: bytes, size: int) -> None:
    read = ours(data, size)
    assert read is not REFUSED
    assert read == by_h11(data)
    assert read == by_http_client(data)


# ---- damaged ones ------------------------------------------------------------------------------


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An answer with a few bytes changed, lost, or come in between."""
    data = bytearray(draw(answers()))
    pieces = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\x00", b"-", b"_", b"Content-Length: 3\r\n", b"0"]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.sampled_from(pieces) | st.binary(max_size=3))
        data[at : at + draw(st.integers(0, 3))] = piece
    return bytes(data)


@settings(max_examples=1000, deadline=None)
@given(damaged(), st.integers(1, 40))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 1)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", 1)
def test_what_we_accept_others_read_the_same(data: bytes, size: int) -> None:
    read = ours(data, size)
    assert read == ours(data), "the size of the pieces matters"
    if read is REFUSED:
        return
    # Each of the two is stricter than the standard somewhere, but never both in the same place.
    others = [other for other in (by_h11(data), by_http_client(data)) if other is not REFUSED]
    assert read in others, others
    if by_h11(data) is not REFUSED:
        assert read == by_h11(data)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\n"]))
def test_any_bytes_give_an_answer_or_a_refusal(data: bytes, start: bytes) -> None:
    assert ours(start + data, 7) == ours(start + data)
