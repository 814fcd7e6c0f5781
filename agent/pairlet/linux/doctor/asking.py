"""Exchanges as the doctor needs them: with an ear for the time, and one that is bound to be refused."""

import time
from typing import TYPE_CHECKING

from ...core import form
from ...core.answer import ERROR, FAULT, http_date, read_answer
from ...core.client import BASIC, Client
from ...core.errors import OAuthError, ProtocolError
from ...core.http import Request, Response
from ...core.metadata import DEVICE_CODE, ServerMetadata
from .report import FAIL, OK, SKIPPED, WARN, Finding, failure

if TYPE_CHECKING:
    from ...core.form import Pairs
    from ...ports import Http

_GRANTS = {"device_code": DEVICE_CODE, "authorization_code": "authorization_code"}
# What a server says of a code that it never issued, once it has taken the client. Not so access_denied: some
# look no further than the code then.
_NOT_THE_CLIENT_S = ("invalid_grant", "expired_token", "authorization_pending", "slow_down")
# RFC 9449 sections 5 and 8.
_WANTS_PROOF = ("invalid_dpop_proof", "use_dpop_nonce")
# Seconds by which a clock may be off before it is worth a word: what is dated by it is off as much.
_OFF_S = 5


class Listening:
    """The port Http over another one. `answer`: the last one there was. `ahead_s`: by how many seconds this
    machine's clock is ahead of the last Date that a server sent, None before there was one.
    """

    needs_room = False

    def __init__(self, http: "Http"):
        self._http = http
        self.answer: Response | None = None
        self.ahead_s: float | None = None

    async def exchange(self, request: Request) -> Response:
        """See ports.Http."""
        begun = time.time()
        response = await self._http.exchange(request)
        self.answer = response
        date = http_date(response.header("date") or "")
        age = response.header("age") or "0"
        if date is not None and age.isdecimal() and len(age) < 10:
            # Date has whole seconds, of some moment between the two; of a stored answer Age has the rest
            # (RFC 9111 section 5.1).
            self.ahead_s = (begun + time.time()) / 2 - (date + int(age) + 0.5)
        return response


def judge_clock(ahead_s: float | None, is_set: bool, is_kept: bool, host: str) -> Finding:
    """`is_set`: not known to be wrong. `is_kept`: by a time service, or a battery at the start.

    `ahead_s`: see Listening; `host`: who told the time.
    """
    advice = "Have a time service keep it: timedatectl set-ntp true."
    kept = "kept by a time service" if is_kept else "nothing is known to keep it"
    if not is_set:
        return Finding("clock", WARN, "it was never set: dates mean nothing", advice)
    if ahead_s is None:
        return Finding("clock", OK, kept) if is_kept else Finding("clock", WARN, kept, advice)
    if abs(ahead_s) <= _OFF_S:
        return Finding("clock", OK, f"as that of {host}; {kept}")
    side = "ahead of" if ahead_s > 0 else "behind"
    words = f"{_long(abs(ahead_s))} {side} that of {host}: samples and certificates are dated by it"
    return Finding("clock", WARN, words, advice)


def _long(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def made_up_request(
    metadata: ServerMetadata, client: Client, grant: str, code: str, parameters: "Pairs"
) -> Request:
    """A token request with a `code` that nobody issued: its refusal tells whether the client is known.

    RFC 6749 section 5.2 tells one from the other; and nothing comes to be by it.
    """
    if grant == "client_credentials":
        # A real request would be a token, and those are counted in some places.
        pairs = [("grant_type", "refresh_token"), ("refresh_token", code)]
    elif grant == "device_code":
        pairs = [("grant_type", DEVICE_CODE), ("device_code", code)]
    else:
        pairs = [("grant_type", grant), ("code", code), ("redirect_uri", "http://127.0.0.1/callback")]
        pairs.append(("code_verifier", code + "-" * 43))
    return client.request(metadata.require("token_endpoint"), [*pairs, *parameters])


def judge_client(response: Response, client: Client, grant: str, proves: bool = False) -> Finding:
    """What the answer to made_up_request() says of the client. `proves`: it came with a DPoP proof."""
    who = f"the client {client.client_id}"
    answer = read_answer(response, *client.secrets)
    error = answer.error
    if answer.kind == FAULT and isinstance(error, ProtocolError):
        return _judge_fault(response, error, who)
    if answer.kind != ERROR or not isinstance(error, OAuthError):
        words = "the server takes a code that nobody issued"
        return Finding("client", WARN, words, "Find out whether it is the right server.")
    if error.error in _NOT_THE_CLIENT_S:
        return Finding("client", OK, f"the server knows {who} (asked with a code that nobody issued)")
    if grant == "client_credentials" and error.error in ("unauthorized_client", "unsupported_grant_type"):
        return Finding("client", OK, f"the server knows {who}, which may not refresh, and need not")
    said = f"{error.error} ({error.error_description})" if error.error_description else error.error
    if error.error in _WANTS_PROOF and proves:
        advice = OAuthError("invalid_dpop_proof").advice
        return Finding(
            "client", WARN, f"the server does not take a DPoP proof of this device: {said}", advice
        )
    if error.error in _WANTS_PROOF:
        words = f"the server wants a DPoP proof before it says whether it knows {who}"
        return Finding("client", SKIPPED, words)
    words = _REFUSALS.get(error.error, "")
    if words:
        words = words.format(who=who, grant=grant)
        return Finding("client", FAIL, f"{words}: {said}", _advice_on(error, client), error.exit_code)
    words = f"to a code that nobody issued the server answers {said}"
    if error.error.startswith("invalid_"):
        return Finding("client", WARN, words, error.advice)
    return Finding("client", SKIPPED, f"{words}, which leaves open whether it knows {who}")


def _advice_on(error: OAuthError, client: Client) -> str:
    encoded = any(form.quote(secret.reveal()) != secret.reveal() for secret in client.secrets)
    if error.error != "invalid_client" or client.client_auth != BASIC or not encoded:
        return error.advice
    # django-allauth is one of them, and punctuation is in most of the secrets that it makes.
    return (
        f"{error.advice} If both are right, this server may be one that does not decode punctuation in them"
        ' (RFC 6749 section 2.3.1): set oauth.client_auth = "client_secret_post".'
    )


def _judge_fault(response: Response, error: ProtocolError, who: str) -> Finding:
    """What is no OAuth error: RFC 6749 section 5.2 has a server say why, and some send a bare status."""
    if response.body or response.status not in (400, 401, 403):
        return failure("client", ProtocolError(f"the token endpoint: {error}", error.advice))
    words = f"to a code that nobody issued the server answers HTTP {response.status} without a word"
    if response.status == 400:
        return Finding("client", SKIPPED, f"{words}, which leaves open whether it knows {who}")
    advice = "Check client_id and the client secret with the server's administrator, and the address."
    return Finding("client", FAIL, f"{words}, and does not seem to take {who}", advice, error.exit_code)


_REFUSALS = {
    "invalid_client": "the server does not take {who}",
    "unauthorized_client": "the server knows {who}, and does not allow it the grant {grant}",
    "unsupported_grant_type": "the server has no grant {grant}",
}
