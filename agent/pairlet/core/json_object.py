"""Reading a JSON object from bytes that anyone may have sent, and its members with their types."""

import json

from .errors import ProtocolError
from .secret import Secret
from .text import is_clean, is_printable_ascii

_DEEPEST = 16
_LONGEST_CREDENTIAL = 16384
_NOT_JSON = "the answer is not JSON"


def parse(body: bytes) -> "dict[str, object]":
    """The object in `body` (RFC 8259, UTF-8).

    Raises ProtocolError for anything else, for a member that stands twice (RFC 6749 section 3.2: a
    parameter must not repeat; which of the two counts is for an attacker to choose) and for more
    than 16 levels (a parser may recurse, and a board has an 8 KB stack).
    """
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    try:
        text = body.decode()
    except UnicodeError:
        raise ProtocolError("the answer is not UTF-8 text") from None
    _check_structure(body)
    try:
        value = json.loads(text)
    except ValueError:
        raise ProtocolError(_NOT_JSON) from None
    if not isinstance(value, dict):
        raise ProtocolError("the answer is JSON, but not an object")
    return value


# What may stand next inside the innermost bracket.
_VALUE, _FIRST_VALUE, _NAME, _FIRST_NAME, _COLON, _COMMA = range(6)

_SPACES = b" \t\n\r"
_MARKS = b',:{}[]"'
_LONGEST_NUMBER = 400


def _check_structure(body: bytes) -> None:
    """One pass over the brackets, commas, colons and names; ProtocolError when they are not in order.

    The parser of MicroPython takes documents that were cut off, colons and commas anywhere, and names
    that are no strings. A cut answer must not pass for a whole one there either. Bytes, not text:
    looking up one character of a text is a walk from its start on a board.
    """
    inside: list[int] = []
    names: set[str] = set()
    expected = _VALUE
    position, end = 0, len(body)
    while position < end:
        start, mark = position, body[position]
        if mark in _SPACES:
            position += 1
            continue
        position = _token_end(body, start)
        if mark in b"}]":
            # In ASCII each closing bracket is its opening one plus two.
            if not inside or mark != inside.pop() + 2 or expected in (_VALUE, _NAME, _COLON):
                raise ProtocolError(_NOT_JSON)
            expected = _COMMA
            continue
        if mark == 0x22 and expected in (_NAME, _FIRST_NAME) and len(inside) == 1:
            _note_name(names, body[start:position])
        expected = _following(mark, expected, inside)
    if inside or expected != _COMMA:
        raise ProtocolError(_NOT_JSON)


def _following(mark: int, expected: int, inside: "list[int]") -> int:
    """What may follow the token that begins with `mark`; takes an opening bracket into `inside`."""
    if mark == 0x2C:
        if expected == _COMMA and inside:
            return _NAME if inside[-1] == 0x7B else _VALUE
    elif mark == 0x3A:
        if expected == _COLON:
            return _VALUE
    elif expected in (_NAME, _FIRST_NAME):
        if mark == 0x22:
            return _COLON
    elif expected in (_VALUE, _FIRST_VALUE):
        if mark not in b"{[":
            return _COMMA
        inside.append(mark)
        if len(inside) > _DEEPEST:
            raise ProtocolError("the answer is nested too deeply")
        return _FIRST_NAME if mark == 0x7B else _FIRST_VALUE
    raise ProtocolError(_NOT_JSON)


def _token_end(body: bytes, start: int) -> int:
    """Where the token that begins at `start` is over: a mark, a string, a number or word."""
    mark, end = body[start], len(body)
    position = start + 1
    if mark == 0x22:
        return _string_end(body, position)
    if mark in _MARKS:
        return position
    while position < end and body[position] not in _MARKS and body[position] not in _SPACES:
        position += 1
    if position - start > _LONGEST_NUMBER:
        # Reading a number takes time in the square of its digits.
        raise ProtocolError(_NOT_JSON)
    return position


def _string_end(body: bytes, position: int) -> int:
    while True:
        position = body.find(b'"', position)
        if position < 0:
            raise ProtocolError(_NOT_JSON)
        backslashes = 0
        while body[position - 1 - backslashes] == 0x5C:
            backslashes += 1
        position += 1
        if backslashes % 2 == 0:
            return position


def _note_name(names: "set[str]", quoted: bytes) -> None:
    name = quoted[1:-1].decode()
    if b"\\" in quoted:
        # An escape can hide a repeated name: "tok\u0065n" is "token".
        try:
            name = json.loads(quoted.decode())
        except ValueError:
            raise ProtocolError(_NOT_JSON) from None
    if name in names:
        raise ProtocolError("the answer has a member twice")
    names.add(name)


def text_member(members: "dict[str, object]", name: str, limit: int = 2048) -> "str | None":
    """The text of a member, or None when it is missing, null or empty.

    Raises ProtocolError when it is no text, is too long, or holds characters that steer a screen.
    """
    value = members.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ProtocolError(f"'{name}' in the answer is not text")
    if len(value) > limit or not is_clean(value):
        raise ProtocolError(f"'{name}' in the answer is too long or has characters that don't belong there")
    return value


def secret_member(members: "dict[str, object]", name: str) -> "Secret | None":
    """A credential, or None when it is missing. RFC 6749 appendix A allows VSCHAR only.

    Sizes are the server's choice (section 5.1); 16 KiB is far above what any is known to send.
    Raises ProtocolError; the message never holds the value.
    """
    value = members.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_CREDENTIAL or not is_printable_ascii(value):
        raise ProtocolError(f"'{name}' in the answer is not a credential")
    return Secret(value)


def seconds_member(members: "dict[str, object]", name: str, most: int) -> "int | None":
    """A duration in whole seconds from 1 to `most`, or None when there is none that makes sense.

    Servers send numbers as text and with fractions; zero, negatives, NaN, null and words are None.
    """
    value = members.get(name)
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = _number(value)
    # The two comparisons are also what keeps NaN out: it is neither.
    if not isinstance(value, (int, float)) or not value > 0 or value != value:
        return None
    if value >= most:
        return most
    whole = int(value)
    return whole if whole == value else whole + 1


def _number(text: str) -> "float | int | None":
    if len(text) > 20:
        return None
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return None
