"""A provider's own dialect of OAuth, as data: what it wants to be asked, and how it says what the RFCs say.

The machines speak the RFCs and nothing else. A dialect stands between them and the wire: a request of theirs
becomes one that the provider takes, and its answer one that they can read. agent/README.md has the keys.
"""

import json

from .errors import ConfigError, ProtocolError
from .form import encode
from .http import FORM, JSON, Request, Response
from .json_object import parse
from .metadata import DEVICE_CODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .form import Pairs

# What a request asks for.
CODE, POLL, REFRESH, OTHER = "code", "poll", "refresh", "other"

_TEXT, _TEXTS, _TABLE, _REQUEST = "a text", "a list of texts", "a table of texts", "a table of set and path"
_REGISTRATION = "a table of path, client_id, client_secret, asks and ends"
_KEYS = {
    "format": _TEXT,
    "names": _TABLE,
    "scope_separator": _TEXT,
    "granted_separator": _TEXT,
    "carry": _TEXT,
    "error": _TEXTS,
    "description": _TEXT,
    "words": _TABLE,
    "statuses": _TABLE,
    "refresh_statuses": _TABLE,
    "defaults": _TABLE,
    CODE: _REQUEST,
    POLL: _REQUEST,
    REFRESH: _REQUEST,
    "registration": _REGISTRATION,
}
_OF_REGISTRATION = ("path", "client_id", "client_secret", "asks", "ends")
# Between a device_code and what else the provider wants to see again with it.
_JOINT = "|"


class Dialect:
    """One dialect, for one exchange. `table`: what differs from the RFCs. `scope`: what the device asks for.

    Raises ConfigError for a table that can't be used; `where` is where it came from.
    """

    def __init__(self, table: object, scope: str = "", where: str = "oauth.dialect"):
        self._table = check(table, where)
        self._scope = scope
        self._hidden = ""

    def request(self, request: Request) -> "tuple[Request, str]":
        """`request` as the provider wants it, and what it asks for: CODE, POLL, REFRESH or OTHER."""
        pairs = decoded(request.body)
        values = dict(pairs)
        kind = kind_of(values)
        values["scope"] = self._joined(values.get("scope") or self._scope)
        carry = self._text("carry")
        if kind == POLL and carry:
            values["device_code"], _, values[carry] = values["device_code"].rpartition(_JOINT)
            # The core knows both together as one secret, and would not see this part of it in an answer.
            self._hidden = values["device_code"]
        special = self._table.get(kind)
        special = special if isinstance(special, dict) else {}
        changed = special.get("set") or {}
        names = self._texts("names")
        pairs = [
            # A resource may be there several times (RFC 8707 section 2).
            (names.get(name, name), value if name == "resource" else values[name])
            for name, value in pairs
            if name not in changed
        ]
        for name in changed:
            pairs.append((names.get(name, name), filled(changed[name], values)))
        address = request.url
        if special.get("path"):
            address = origin(address) + special["path"]
        headers = [header for header in request.headers if header[0].lower() != "content-type"]
        headers.append(("Content-Type", JSON if self._text("format") == "json" else FORM))
        return Request(request.method, address, headers, self._body(pairs)), kind

    def _joined(self, scope: str) -> str:
        separator = self._text("scope_separator")
        return separator.join(scope.split()) if separator else scope

    def _body(self, pairs: "Pairs") -> bytes:
        if self._text("format") != "json":
            return encode(pairs)
        members: dict[str, object] = {}
        for name, value in pairs:
            if value:
                held = members.get(name)
                if held is None:
                    members[name] = value
                else:
                    members[name] = (held if isinstance(held, list) else [held]) + [value]
        return json.dumps(members).encode()

    def response(self, response: Response, kind: str) -> Response:
        """The answer to a request of that kind as RFC 6749 section 5 and RFC 8628 section 3 have it.

        What says nothing in this dialect comes back as it is: a captive portal's page, say.
        """
        try:
            members = parse(response.body)
        except ProtocolError:
            if response.body.strip():
                return response
            members = {}
        names = self._texts("names")
        for name in names:
            if names[name] in members and name not in members:
                members[name] = members.pop(names[name])
        if "access_token" in members or "device_code" in members:
            self._complete(members)
        elif not self._find_error(members, response.status, kind):
            return response
        return Response(response.status, response.headers, json.dumps(members).encode())

    def _complete(self, members: "dict[str, object]") -> None:
        """What a success leaves unsaid, or says in its own way."""
        defaults = self._texts("defaults")
        known = {name: value for name, value in members.items() if isinstance(value, str)}
        for name in defaults:
            # What is made of something else needs all of it.
            needed = [part.partition("}")[0] for part in defaults[name].split("{")[1:]]
            if members.get(name) is None and all(part in known for part in needed):
                members[name] = filled(defaults[name], known)
        separator, scope = self._text("granted_separator"), members.get("scope")
        if separator and isinstance(scope, str):
            members["scope"] = scope.replace(separator, " ")
        carried, device_code = members.get(self._text("carry")), members.get("device_code")
        if isinstance(carried, str) and isinstance(device_code, str):
            members["device_code"] = device_code + _JOINT + carried

    def _find_error(self, members: "dict[str, object]", status: int, kind: str) -> bool:
        """Put the error's code and words where RFC 6749 section 5.2 has them; whether there are any."""
        paths = self._table.get("error")
        said = ""
        for path in paths if isinstance(paths, list) else ["error"]:
            said = said or _told(members, path)
        if not said:
            code = self._texts("statuses" if kind == POLL else kind + "_statuses").get(str(status))
        else:
            code = self._texts("words").get(said.lower(), said)
        if not code:
            return False
        description = _told(members, self._text("description") or "error_description")
        if self._hidden:
            description = description.replace(self._hidden, "<secret>")
        members["error"] = code
        members["error_description"] = description
        return True

    def _text(self, key: str) -> str:
        value = self._table.get(key)
        return value if isinstance(value, str) else ""

    def _texts(self, key: str) -> "dict[str, str]":
        value = self._table.get(key)
        return value if isinstance(value, dict) else {}


def check(table: object, where: str) -> "dict[str, object]":
    """`table`, if it is a dialect. Raises ConfigError that names the key and what belongs there."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is no table", "See agent/README.md for its keys.")
    for key in table:
        if key not in _KEYS:
            raise ConfigError(f"{where}: there is no '{key}'", "There are: " + ", ".join(sorted(_KEYS)) + ".")
        if not _fits(table[key], _KEYS[key]):
            raise ConfigError(f"{where}: {key} can't be used as it is", f"It takes {_KEYS[key]}.")
    if table.get("format", "form") not in ("form", "json"):
        raise ConfigError(f"{where}: format is '{table['format']}'", "Use form or json.")
    return table


def _fits(value: object, kind: str) -> bool:
    if kind == _TEXT:
        return isinstance(value, str)
    if kind == _TEXTS:
        return isinstance(value, list) and all(isinstance(part, str) for part in value)
    if not isinstance(value, dict):
        return False
    if kind == _TABLE:
        return _is_table(value)
    path = value.get("path", "/")
    if not isinstance(path, str) or not path.startswith("/"):
        return False
    if kind == _REGISTRATION:
        texts = {name: value[name] for name in value if name != "asks"}
        known = all(name in _OF_REGISTRATION for name in value) and "path" in value
        complete = "client_id" in value and "client_secret" in value
        return known and complete and _is_table(texts) and isinstance(value.get("asks", {}), dict)
    return all(name in ("set", "path") for name in value) and _is_table(value.get("set", {}))


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value[name], str) for name in value)


def origin(address: str) -> str:
    """An address without its path."""
    slash = address.find("/", address.find("://") + 3)
    return address[:slash] if slash > 0 else address


def kind_of(values: "dict[str, str]") -> str:
    """What a request of the core with these parameters asks for: CODE, POLL, REFRESH or OTHER."""
    grant_type = values.get("grant_type")
    if grant_type == DEVICE_CODE:
        return POLL
    if grant_type == "refresh_token":
        return REFRESH
    return OTHER if grant_type or "token" in values else CODE


def filled(template: str, values: "dict[str, str]") -> str:
    """`template` with each name in braces replaced by its value, by nothing if there is none."""
    text = ""
    while template:
        plain, mark, template = template.partition("{")
        text += plain
        if mark:
            name, _, template = template.partition("}")
            text += values.get(name, "")
    return text


def _told(members: "dict[str, object]", path: str) -> str:
    """What stands at a dotted path, as text; "" for nothing that a person could read."""
    value: object = members
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def decoded(body: bytes) -> "list[tuple[str, str]]":
    """The pairs of a form that the core has written."""
    pairs = []
    for part in body.split(b"&"):
        name, _, value = part.partition(b"=")
        if name:
            pairs.append((_unquoted(name), _unquoted(value)))
    return pairs


def _unquoted(text: bytes) -> str:
    first, *rest = text.replace(b"+", b" ").split(b"%")
    decoded = bytearray(first)
    for part in rest:
        decoded.append(int(part[:2], 16))
        decoded.extend(part[2:])
    return bytes(decoded).decode()
