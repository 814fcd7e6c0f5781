"""An Http for providers whose clients register themselves first (as in RFC 7591). Not for boards.

The registration is the device's own, kept in the store, and made when a code is asked for: what is asked for
later belongs to the client that asked for the code.
"""

import json

from .core.dialect import CODE, decoded, filled, kind_of, origin
from .core.errors import ProtocolError
from .core.form import encode
from .core.http import JSON, Request, Response
from .core.json_object import parse, secret_member, text_member
from .core.wall import SYNCED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ports import Clock, Http, Store

NAME = "registration"


class RegisteringHttp:
    """The port Http over `translated`, with the registered client in the place of the configured one.

    `wire`: where the registration itself goes. `table`: oauth.dialect's registration. `scope`: what the
    device asks for.
    """

    def __init__(
        self,
        wire: "Http",
        translated: "Http",
        table: "dict[str, object]",
        scope: str,
        store: "Store",
        clock: "Clock",
    ):
        self._wire = wire
        self._translated = translated
        self._table = table
        self._scope = scope
        self._store = store
        self._clock = clock
        self.needs_room = wire.needs_room

    async def exchange(self, request: "Request") -> "Response":
        """See pairlet.ports.Http. A registration that is refused is the answer to what needed it. Raises
        StoreError as well."""
        if request.method != "POST":
            return await self._translated.exchange(request)
        pairs = decoded(request.body)
        asks_for_code = kind_of(dict(pairs)) == CODE
        account = [origin(request.url), dict(pairs).get("client_id", ""), self._scope]
        client = self._load(account)
        if client is not None and not (asks_for_code and self._has_ended(client)):
            answer = await self._ask(request, pairs, client)
            if not _is_invalid_client(answer):
                return answer
            if not asks_for_code:
                # Its end is the end of all that was issued to it, and no server says it so.
                ended = self._has_ended(client)
                return _error("invalid_grant", "the client's registration has ended") if ended else answer
        elif not asks_for_code:
            return _error("invalid_grant", "the registration that this was issued to is gone")
        # There is none, it has ended, or the server knows it no more.
        refusal = await self._register(account)
        client = self._load(account)
        if refusal is not None or client is None:
            return refusal or _error("invalid_client", "the registration was not kept")
        return await self._ask(request, pairs, client)

    async def _ask(
        self, request: "Request", pairs: "list[tuple[str, str]]", client: "dict[str, object]"
    ) -> "Response":
        secret = str(client["client_secret"])
        sent = [pair for pair in pairs if pair[0] not in ("client_id", "client_secret")]
        sent += [("client_id", str(client["client_id"])), ("client_secret", secret)]
        request = Request(request.method, request.url, request.headers, encode(sent))
        answer = await self._translated.exchange(request)
        # Some quote what they were sent, and nobody behind us knows that this is a secret.
        body = answer.body.replace(secret.encode(), b"<secret>")
        return Response(answer.status, answer.headers, body)

    def _load(self, account: "list[str]") -> "dict[str, object] | None":
        data = self._store.load(NAME)
        try:
            record = None if data is None else parse(data)
        except ProtocolError:
            return None
        if record is None or record.get("account") != account:
            return None
        return record if record.get("client_id") and record.get("client_secret") else None

    def _has_ended(self, client: "dict[str, object]") -> bool:
        wall, ends = self._clock.wall(), client.get("ends")
        return wall.state == SYNCED and isinstance(ends, int) and 0 < ends <= wall.seconds

    async def _register(self, account: "list[str]") -> "Response | None":
        """Register; the client is on the disk then. Returns the answer if it was refused."""
        values = {"client_id": account[1], "scope": self._scope}
        asks = self._table.get("asks")
        members = _filled_all(asks if isinstance(asks, dict) else {}, values)
        headers = [("Content-Type", JSON), ("Accept", JSON)]
        address = account[0] + str(self._table["path"])
        response = await self._wire.exchange(Request("POST", address, headers, json.dumps(members).encode()))
        try:
            answer = parse(response.body)
            client_id = text_member(answer, str(self._table["client_id"]))
            secret = secret_member(answer, str(self._table["client_secret"]))
        except ProtocolError:
            return response
        if client_id is None or secret is None:
            if "error" in answer or response.status >= 300:
                return response
            return _error("invalid_client", "the answer to the registration has no client in it")
        ends = answer.get(str(self._table.get("ends")))
        client: dict[str, object] = {"account": account, "client_id": client_id}
        client["client_secret"] = secret.reveal()
        client["ends"] = ends if isinstance(ends, int) else 0
        async with self._store.lock():
            self._store.save(NAME, json.dumps(client).encode())
        return None


def _error(code: str, description: str) -> "Response":
    body = json.dumps({"error": code, "error_description": description})
    return Response(400, [("content-type", JSON)], body.encode())


def _is_invalid_client(answer: "Response") -> bool:
    try:
        return parse(answer.body).get("error") == "invalid_client"
    except ProtocolError:
        return False


def _filled_all(asks: "dict[str, object]", values: "dict[str, str]") -> "dict[str, object]":
    """The members of a registration: texts and lists of texts with names in braces."""
    members: dict[str, object] = {}
    for name in asks:
        value = asks[name]
        if isinstance(value, list):
            # A scope of several words is as many members of a list.
            members[name] = [word for part in value for word in filled(str(part), values).split()]
        else:
            members[name] = filled(str(value), values)
    return members
