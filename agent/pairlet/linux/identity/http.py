"""An Http that sees the ID token come with the answer to a sign-in, and where the server's keys are."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from ...core.errors import ProtocolError
from ...core.http import JSON, Request, Response
from ...core.json_object import parse, secret_member, text_member
from ...core.metadata import DEVICE_CODE
from ...core.pkce import sign_in_nonce
from ...core.secret import Secret
from ..heard_metadata import metadata_in

if TYPE_CHECKING:
    from ...ports import Http

_SIGN_INS = (DEVICE_CODE, "authorization_code")


class IdentityHttp:
    """The port Http over another one. `issuer`: whose metadata counts (RFC 8414 section 3.3).

    id_token, access_token: what came last with a person's sign-in, or None. nonce: what had been sent for the
    ID token to hold, or None.
    jwks_uri: where the keys are, "" as long as no metadata have passed.
    """

    def __init__(self, http: "Http", issuer: str):
        self._http = http
        self._issuer = issuer
        self.needs_room = http.needs_room
        self.id_token: Secret | None = None
        self.access_token: Secret | None = None
        self.nonce: str | None = None
        self.jwks_uri = ""

    async def exchange(self, request: Request) -> Response:
        """See pairlet.ports.Http."""
        response = await self._http.exchange(request)
        if response.status == 200:
            try:
                self._look(request, response)
            except ProtocolError:
                pass  # whoever waits for the answer says so
        return response

    def forget(self) -> None:
        """Let go of the tokens."""
        self.id_token = self.access_token = None

    async def keys(self) -> dict[str, object]:
        """The server's keys, a JWK Set (RFC 7517 section 5).

        Raises ProtocolError, TransportError, TlsError, ConfigError.
        """
        if not self.jwks_uri:
            raise ProtocolError("the server does not say where its keys are")
        response = await self._http.exchange(Request("GET", self.jwks_uri, [("Accept", JSON)]))
        if response.status != 200:
            raise ProtocolError(f"the server answered HTTP {response.status} instead of its keys")
        return parse(response.body)

    def _look(self, request: Request, response: Response) -> None:
        metadata = metadata_in(request, response, self._issuer)
        if metadata is not None:
            self.jwks_uri = text_member(metadata, "jwks_uri") or ""
        if request.method == "GET":
            return
        form = parse_qs(request.body.decode("ascii", "replace"))
        if form.get("grant_type", [""])[0] in _SIGN_INS:
            self.forget()
            members = parse(response.body)
            self.id_token = secret_member(members, "id_token")
            self.access_token = secret_member(members, "access_token")
            verifier = form.get("code_verifier")
            self.nonce = sign_in_nonce(Secret(verifier[0])) if verifier else None
