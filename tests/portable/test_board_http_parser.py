"""The board's reader of HTTP answers: RFC 9112, whole, in pieces, cut short, hostile and at random."""

from pairlet.core.errors import ProtocolError, TransportError
from pairlet_board.http_parser import MAX_HEADER, MAX_LINE, ResponseReader

ROOM = 100

JSON = b'{"error": "slow_down"}'
LENGTH = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n" + JSON
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\n1 \r\n,\r\n00B\r\n wide world\r\n0;last\r\nX-Sum: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + LENGTH
EMPTY = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"
UNTIL_END = b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall that comes"


def read(data, method="POST", size=None, room=ROOM):
    """Feed `data` in pieces of `size` bytes and end it; (status, headers, body), or a class of error."""
    reader = ResponseReader(method, room)
    size = size or len(data) or 1
    try:
        for at in range(0, len(data), size):
            if reader.feed(data[at : at + size]):
                break
        reader.end()
    except (ProtocolError, TransportError) as failure:
        assert failure.message and failure.advice
        return type(failure)
    response = reader.response()
    return response.status, response.headers, response.body


def head(lines, status=b"200 OK"):
    """An answer without a body, made of a status and header lines."""
    return b"HTTP/1.1 " + status + b"\r\n" + lines + b"\r\n\r\n"


# ---- answers as they should be -----------------------------------------------------------------


def test_a_body_with_its_length():
    headers = [("content-type", "application/json"), ("content-length", "22")]
    assert read(LENGTH) == (400, headers, JSON)


def test_a_body_in_chunks():
    assert read(CHUNKED) == (200, [("transfer-encoding", "chunked")], b"hello, wide world")


def test_a_body_until_the_end():
    assert read(UNTIL_END) == (200, [("server", "old")], b"all that comes")


def test_interim_answers_are_passed_over():
    assert read(INTERIM) == read(LENGTH)


def test_no_body():
    assert read(EMPTY) == (204, [("server", "x")], b"")
    for status in (b"204 No Content", b"304 Not Modified"):
        assert read(head(b"Content-Length: 22", status))[2] == b""
    assert read(head(b"Content-Length: 22"), method="HEAD") == (200, [("content-length", "22")], b"")
    assert read(head(b"Content-Length: 0"))[2] == b""
    assert read(head(b"Transfer-Encoding: chunked", b"204 X"))[2] == b""


def test_any_size_of_pieces_gives_the_same():
    for data in (LENGTH, CHUNKED, INTERIM, EMPTY, UNTIL_END):
        whole = read(data)
        assert type(whole) is tuple, whole
        for size in range(1, len(data)):
            assert read(data, size=size) == whole, (data, size)


def test_it_is_done_with_the_last_byte_and_not_before():
    for data in (LENGTH, CHUNKED, INTERIM, EMPTY):
        reader = ResponseReader("POST", ROOM)
        assert not reader.feed(data[:-1])
        assert reader.left >= 0
        assert reader.feed(data[-1:])


def test_only_the_end_completes_an_answer_without_length():
    reader = ResponseReader("POST", ROOM)
    assert not reader.feed(UNTIL_END)
    assert reader.left < 0
    reader.end()
    assert reader.done and reader.left == 0


def test_what_follows_is_not_looked_at():
    for data in (LENGTH, CHUNKED, EMPTY):
        assert read(data + b"\x00 more \r\n") == read(data)


def test_lines_may_end_with_lf_alone():
    for data in (LENGTH, INTERIM):
        assert read(data.replace(b"\r\n", b"\n")) == read(data)


def test_lines_between_chunks_may_not():
    start = head(b"Transfer-Encoding: chunked")
    assert read(start + b"2\r\n{}\r\n0\r\n\n")[2] == b"{}"
    for rest in (b"2\n{}\r\n0\r\n\r\n", b"2\r\n{}\n0\r\n\r\n", b"2\r\n{}\r\n0\n\r\n"):
        assert read(start + rest) is ProtocolError, rest


def test_a_missing_reason_phrase():
    for line in (b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 200 a \xe4 b"):
        assert read(line + b"\r\nContent-Length: 0\r\n\r\n") == (200, [("content-length", "0")], b"")


def test_names_in_lower_case_and_values_trimmed():
    lines = b"RETRY-After: \t 3 \t\r\nX-Empty:\r\nX-Colon: a:b\r\nX-Tab: a\tb\r\nContent-Length: 0"
    expected = [("retry-after", "3"), ("x-empty", ""), ("x-colon", "a:b"), ("x-tab", "a\tb")]
    assert read(head(lines))[1] == expected + [("content-length", "0")]


def test_values_are_latin_1():
    assert read(head(b"X: gr\xfc\xdf\nContent-Length: 0"))[1][0] == ("x", "gr\xfc\xdf")


def test_a_folded_line_is_one_value():
    lines = b"X-Long: one\r\n  two\r\n\tthree\r\nContent-Length: 0"
    assert read(head(lines))[1][0] == ("x-long", "one two three")


def test_a_folded_length_counts():
    assert read(head(b"Content-Length:\r\n 2") + b"{}")[2] == b"{}"


def test_chunked_in_any_case():
    assert read(head(b"transfer-encoding: Chunked") + b"2\r\n{}\r\n0\r\n\r\n")[2] == b"{}"


# ---- cut short ---------------------------------------------------------------------------------


def test_every_truncation_is_an_error():
    for data in (LENGTH, CHUNKED, INTERIM, EMPTY):
        for end in range(len(data)):
            assert read(data[:end]) is TransportError, data[:end]


def test_every_truncation_of_a_header_is_an_error():
    start = UNTIL_END.find(b"all that")
    for end in range(start):
        assert read(UNTIL_END[:end]) is TransportError, UNTIL_END[:end]
    for end in range(start, len(UNTIL_END)):
        assert read(UNTIL_END[:end])[2] == UNTIL_END[start:end]


def test_there_is_no_response_before_it_is_complete():
    reader = ResponseReader("POST", ROOM)
    for data in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"):
        reader.feed(data)
        try:
            reader.response()
        except TransportError:
            continue
        raise AssertionError("an answer that is not complete was given out")


# ---- not HTTP ----------------------------------------------------------------------------------


def test_bad_status_lines():
    lines = (
        "|HTTP/1.1|HTTP/2 200 OK|HTTP/1.1 20 OK|HTTP/1.1 2000 OK|HTTP/1.1  200|http/1.1 200 OK|HTTP/1.x 200"
    )
    lines += "|HTTP/1.1 +20 OK|HTTP/1.1 2_0 OK|HTTP/1.1 099 OK|HTTP/1.1 200\tOK|ICY 200 OK| HTTP/1.1 200 OK"
    lines += "|HTTP/1.12 200 OK|<html>|HTTP/1.1 OK|HTTP/1.1 0x1 OK|http/1.1 200 OK"
    for line in lines.split("|"):
        assert read(line.encode() + b"\r\nContent-Length: 0\r\n\r\n") is ProtocolError, line
    assert read(b"\x15\x03\x01\x00\x02\x02\x16\n") is ProtocolError


def test_bad_header_lines():
    lines = (b"no colon", b": no name", b"a b: x", b"name : x", b" folded: first", b"n\xe4me: x", b"a\x00: x")
    values = (b"X: \x00", b"X: a\rb", b"X: \x1b[2J", b"X: \x7f", b"X: a\r\n \x01")
    for line in lines + values + (b"(x): y",):
        assert read(head(line)) is ProtocolError, line


def test_protocols_are_not_switched():
    assert read(head(b"Upgrade: x", b"101 Switching Protocols")) is ProtocolError


def test_two_lengths_are_none():
    length, chunked = b"Content-Length: 2", b"Transfer-Encoding: chunked"
    for lines in (
        (length, b"Content-Length: 3"),
        (length, length),
        (b"Content-Length: 2, 2",),
        (length, chunked),
        (chunked, length),
        (chunked, chunked),
    ):
        assert read(head(b"\r\n".join(lines)) + b"{}") is ProtocolError, lines


def test_other_codings_are_refused():
    for coding in (b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity", b"", b"xchunked"):
        assert read(head(b"Transfer-Encoding: " + coding) + b"0\r\n\r\n") is ProtocolError, coding


def test_hostile_lengths():
    for length in (b"", b"-1", b"+2", b"2x", b"0x2", b"2 2", b"1_0", b"2.0", b"\xb2", b"1" * 17, b"a"):
        assert read(head(b"Content-Length: " + length) + b"{}") is ProtocolError, length


def test_hostile_chunk_sizes():
    for size in (b"", b"-1", b"+2", b"0x2", b" 2", b"1_0", b"g", b";x", b"2 2", b"0" * 17, b"\xb2", b"\x002"):
        data = head(b"Transfer-Encoding: chunked") + size + b"\r\n{}\r\n0\r\n\r\n"
        assert read(data) is ProtocolError, size


def test_a_chunk_ends_with_an_empty_line():
    for after in (b"x\r\n", b"\rx\n", b" \r\n", b"0\r\n"):
        data = head(b"Transfer-Encoding: chunked") + b"2\r\n{}" + after + b"0\r\n\r\n"
        assert read(data) is ProtocolError, after


# ---- limits ------------------------------------------------------------------------------------


def test_the_body_is_capped():
    full, large = b"x" * ROOM, b"x" * (ROOM + 1)
    assert read(head(b"Content-Length: %d" % ROOM) + full)[2] == full
    assert read(head(b"Content-Length: %d" % (ROOM + 1))) is TransportError
    assert read(head(b"Content-Length: 9999999999999999")) is TransportError
    assert read(head(b"A: b") + full)[2] == full
    assert read(head(b"A: b") + large) is TransportError
    start = head(b"Transfer-Encoding: chunked")
    assert read(start + b"32\r\n" + full[:50] + b"\r\n32\r\n" + full[:50] + b"\r\n0\r\n\r\n")[2] == full
    assert read(start + b"32\r\n" + full[:50] + b"\r\n33\r\n") is TransportError
    assert read(start + b"ffffffffffffffff\r\n") is TransportError
    assert read(start + b"65\r\n") is TransportError


def test_an_announced_body_is_refused_before_it_comes():
    reader = ResponseReader("POST", ROOM)
    try:
        reader.feed(head(b"Content-Length: 101"))
    except TransportError as failure:
        assert "100 bytes" in failure.message
        return
    raise AssertionError("too large a body was waited for")


def test_a_line_is_capped():
    longest = b"X: " + b"y" * (MAX_LINE - 5) + b"\r\nContent-Length: 0"
    assert read(head(longest))[0] == 200
    for size in (1, 100, None):
        assert read(head(b"y" + longest), size=size) is ProtocolError
        assert read(b"y" * (MAX_LINE + 1), size=size) is ProtocolError
        chunk = head(b"Transfer-Encoding: chunked") + b"1;" + b"x" * MAX_LINE
        assert read(chunk, size=size) is ProtocolError


def test_the_header_is_capped():
    line = b"X: " + b"y" * 1000 + b"\r\n"
    count = MAX_HEADER // len(line)
    assert read(head(line * count + b"Content-Length: 0"))[0] == 200
    assert read(head(line * (count + 1))) is ProtocolError
    many = head(b"A: b\r\n" * 63 + b"Content-Length: 0")
    assert len(read(many)[1]) == 64
    assert read(head(b"A: b\r\n" * 64 + b"Content-Length: 0")) is ProtocolError


def test_trailers_and_interim_answers_share_the_cap():
    line = b"X: " + b"y" * 1000 + b"\r\n"
    start = head(line * 7 + b"Transfer-Encoding: chunked")
    assert read(start + b"0\r\n" + line + b"\r\n")[0] == 200
    assert read(start + b"0\r\n" + line * 2 + b"\r\n") is ProtocolError
    assert read(head(b"A: b", b"103 Early Hints") * 400) is ProtocolError


# ---- at random ---------------------------------------------------------------------------------


def numbers(seed):
    """Numbers from 0 to 65535 without end, the same on every run and interpreter."""
    while True:
        seed = (seed * 25173 + 13849) & 0xFFFF
        yield seed


def test_damaged_answers_give_a_value_or_a_typed_error():
    random = numbers(7)
    kinds = set()
    for data in (LENGTH, CHUNKED, INTERIM, UNTIL_END):
        for _ in range(150):
            damaged = bytearray(data)
            for _ in range(next(random) % 3 + 1):
                damaged[next(random) % len(data)] = next(random) >> 8
            whole = read(bytes(damaged))
            kinds.add(whole if type(whole) is not tuple else tuple)
            assert read(bytes(damaged), size=1) == whole, damaged
    assert kinds == {tuple, ProtocolError, TransportError}


def test_any_bytes_give_a_value_or_a_typed_error():
    random = numbers(11)
    for count in range(100):
        rest = bytes([next(random) >> 8 for _ in range(count)])
        for start in (b"", b"HTTP/1.1 200 X\r\n", head(b"Transfer-Encoding: chunked")):
            read(start + rest, size=7)
