"""Reading a JSON object from bytes that anyone may have sent, and its members with their types."""

import json

from .errors import ProtocolError
from .secret import Secret
from .text import is_clean, is_printable_ascii

_DEEPEST = 16
_LONGEST_CREDENTIAL = 16384


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
    _refuse_repeats(text)
    try:
        value = json.loads(text)
    except ValueError:
        raise ProtocolError("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolError("the answer is JSON, but not an object")
    return value


def _refuse_repeats(text: str) -> None:
    """One pass over the text: how deep it goes, and whether the outermost object repeats a name."""
    depth = position = 0
    seen = set()
    end = len(text)
    while position < end:
        character = text[position]
        if character == '"':
            closing = _closing_quote(text, position)
            if depth == 1 and text[closing + 1 :][:64].lstrip().startswith(":"):
                name = _decoded(text[position : closing + 1])
                if name in seen:
                    raise ProtocolError("the answer has a member twice")
                seen.add(name)
            position = closing
        elif character in "{[":
            depth += 1
            if depth > _DEEPEST:
                raise ProtocolError("the answer is nested too deeply")
        elif character in "}]":
            depth -= 1
        position += 1


def _closing_quote(text: str, opening: int) -> int:
    position = opening + 1
    while True:
        position = text.find('"', position)
        if position < 0:
            raise ProtocolError("the answer is not JSON")
        backslashes = 0
        while text[position - 1 - backslashes] == "\\":
            backslashes += 1
        if backslashes % 2 == 0:
            return position
        position += 1


def _decoded(quoted: str) -> str:
    # An escape can hide a repeated name: "tok\u0065n" is "token".
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise ProtocolError("the answer is not JSON") from None


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
