"""The part of `pairlet doctor` that speaks to the authorization server: metadata, client, token."""

import asyncio

from ..agent import REVOCATIONS
from ..config import nearest
from ..core.errors import (
    OAuthError,
    PairletError,
    ProtocolError,
    StoreError,
    TransportError,
    UnpairedError,
)
from ..core.introspection import introspection_request, read_introspection
from ..core.metadata import DEVICE_CODE, ServerMetadata
from ..core.text import clean
from ..core.token import Token
from ..core.wall import SYNCED, UNSET
from ..discovery import find_metadata
from ..drive import Patience
from .commands_doctor_case import Case
from .doctor.asking import judge_client, judge_clock, made_up_request
from .doctor.report import OK, SKIPPED, WARN, Finding, Report, failure
from .log.words import span

# In seconds: for all exchanges of a check.
LIMIT_S = 10.0

# Brokers' rights in it make it long.
_LONGEST_SCOPE = 120

# What each grant needs, and what the metadata calls it.
_NEEDED = {
    "device_code": (DEVICE_CODE, ("device_authorization_endpoint", "token_endpoint")),
    "authorization_code": ("authorization_code", ("authorization_endpoint", "token_endpoint")),
    "client_credentials": ("client_credentials", ("token_endpoint",)),
}


async def look_at_metadata(case: Case, report: Report) -> None:
    """What the server says of itself, and before that the clock, as the answer has the time."""
    trouble: PairletError | None = None
    issuer, way = case.config.text("oauth.issuer"), case.issuer_way()
    if way is None or way.is_open:
        try:
            async with asyncio.timeout(LIMIT_S):
                case.metadata = await find_metadata(
                    case.config, case.open_http(), case.clock, case.entropy, Patience(1)
                )
        except TimeoutError:
            trouble = TransportError(f"the server's metadata does not come within {LIMIT_S:g} s")
        except PairletError as error:
            trouble = error
    if issuer:
        look_at_clock(case, report)
    if way is not None and not way.is_open:
        report.add("metadata", SKIPPED, way.why())
        return
    if trouble is not None:
        raise trouble
    if issuer:
        case.members = case.last_answer()
    assert case.metadata is not None
    _judge_metadata(case, case.metadata, report)


def look_at_clock(case: Case, report: Report) -> None:
    """This machine's clock beside that of the server, if that was heard. Without an issuer, whose metadata is
    asked for, the client's request is the first to have an answer."""
    wall, way = case.wall, case.issuer_way() or case.way_to(case.config.text("oauth.token_endpoint"))
    host = "the server" if way is None else way.place.host
    report.put(judge_clock(case.ahead_s(), wall.state != UNSET, wall.state == SYNCED, host))


def _judge_metadata(case: Case, metadata: ServerMetadata, report: Report) -> None:
    """Raises ConfigError for an endpoint that is missing."""
    name, needed = _NEEDED[case.grant]
    for endpoint in needed:
        metadata.require(endpoint)
    supported, method = metadata.grant_types_supported, case.client.client_auth
    methods = _names(case.members.get("token_endpoint_auth_methods_supported"))
    if supported is not None and name not in supported:
        words = f"the server does not name the grant {case.grant} among those that it has"
        report.add("metadata", WARN, words, "Allow it at the server, or set another oauth.grant.")
    # Many that take public clients do not say so.
    elif methods and method not in methods and method != "none":
        words = f"{method} is not among the ways to authenticate that the server names"
        report.add("metadata", WARN, words, f"Set oauth.client_auth to one of: {', '.join(methods)}.")
    else:
        _judge_scope(case, report)


def _judge_scope(case: Case, report: Report) -> None:
    said = "the issuer is who it says" if case.config.text("oauth.issuer") else "the endpoints are configured"
    known = _names(case.members.get("scopes_supported"))
    unnamed = [scope for scope in case.config.text("oauth.scope").split() if known and scope not in known]
    near = [(scope, found) for scope in unnamed if (found := nearest(scope, known)) is not None]
    if near:
        words = f"{said}; it names no scope {near[0][0]}"
        report.add("metadata", WARN, words, f"Did you mean {near[0][1]}? It need not name all that it has.")
        return
    # RFC 8414 section 2 lets it keep some to itself.
    more = f"; of the scopes it does not name {', '.join(unnamed)}, and need not" if unnamed else ""
    report.add("metadata", OK, f"{said}; grant {case.grant}{more}")


def _names(value: object) -> list[str]:
    """A list of names that a server sent, fit to be shown."""
    return [clean(each, 60) for each in value if isinstance(each, str)] if isinstance(value, list) else []


async def look_at_client(case: Case, report: Report) -> None:
    """Whether the server knows this client, asked in a way that leaves nothing behind."""
    why = _no_way(case, "token_endpoint") or _not_asked(case.config.get("oauth.dialect"))
    if why:
        report.add("client", SKIPPED, why)
    else:
        await report.examine("client", _ask_for_nothing(case, report), LIMIT_S)


def _not_asked(dialect: object) -> str:
    """Why a provider's answer to a code would say nothing of the client; "" if it does."""
    table = dialect if isinstance(dialect, dict) else {}
    if "registration" in table:
        return "it registers itself when it asks for a code"
    poll = table.get("poll") or {}
    if "client_id" in (poll.get("set") or {}):
        return "this provider does not ask who it is until there is a code"
    return ""


async def _ask_for_nothing(case: Case, report: Report) -> None:
    assert case.metadata is not None
    code = "pairlet-doctor-" + case.entropy.random_bytes(12).hex()
    request = made_up_request(case.metadata, case.client, case.grant, code, case.token_parameters)
    response = await case.open_http().exchange(request)
    report.put(judge_client(response, case.client, case.grant, case.proves))


def _no_way(case: Case, endpoint: str) -> str:
    """Why `endpoint` can't be asked, "" if it can."""
    if case.metadata is None:
        return "nothing is known of the server"
    url = getattr(case.metadata, endpoint)
    if url is None:
        return f"the server names no {endpoint}"
    way = case.way_to(url)
    return "" if way is None or way.is_open else way.why()


async def look_at_token(case: Case, report: Report) -> None:
    """The stored token, and what the server says of it. It is neither renewed nor replaced."""
    if case.store is None:
        for check in ("pairing", "introspection"):
            report.add(check, SKIPPED, "the state folder can't be used")
        return
    if not await report.examine("pairing", _look_at_pairing(case, report), LIMIT_S):
        report.add("introspection", SKIPPED, "there is no token that can be read")
        return
    await report.examine("introspection", _introspect(case, report), LIMIT_S)


async def _look_at_pairing(case: Case, report: Report) -> None:
    keeper = case.open_keeper()
    kept = keeper.kept
    if kept is not None:
        report.hide([kept.token.access_token, kept.token.refresh_token, kept.previous])
        report.put(_judge_token(case, kept.token))
        if case.proves:
            _look_at_key(case, report)
        return
    assert case.store is not None
    if case.grant == "client_credentials":
        report.add("pairing", OK, "it works in its own name, and gets a token when it needs one")
    elif any(case.store.load(name) is not None for name in REVOCATIONS):
        words = "not paired; the server has still to be told of the end of the last pairing"
        report.add("pairing", WARN, words, "Run: pairlet unpair. Then pair the device: pairlet pair.")
    else:
        report.add("pairing", WARN, "this device is not paired", "Pair it: pairlet pair.")


def _look_at_key(case: Case, report: Report) -> None:
    """What a bound token is of no use without."""
    from .commands_dpop import check_key

    assert case.store is not None
    try:
        check_key(case.store)
    except StoreError as error:
        report.put(failure("pairing", error))


def _judge_token(case: Case, token: Token) -> Finding:
    own_name = case.grant == "client_credentials"
    renews = own_name or token.refresh_token is not None
    left_ms = token.remaining_ms(case.clock.now())
    missing = token.not_granted(case.config.text("oauth.scope"))
    life = "token without a known end" if left_ms is None else f"token good for {span(left_ms)}"
    if left_ms == 0 and not renews:
        return failure("pairing", UnpairedError("the access token has ended, and there is no refresh token"))
    if left_ms == 0:
        who = "the agent at work has not renewed it yet" if case.live else "an agent renews it when it runs"
        return Finding("pairing", WARN, f"paired; the access token has ended, {who}", "Run: pairlet token.")
    if missing:
        advice = "Allow it at the server and pair the device anew, or ask for less in oauth.scope."
        return Finding("pairing", WARN, f"{life}; asked for and not granted: {missing}", advice)
    if not renews and left_ms is not None:
        advice = "Add offline_access to oauth.scope, or have the server issue refresh tokens to this client."
        return Finding("pairing", WARN, f"{life}, and there is no refresh token: then it is over", advice)
    renewed = "renewed by itself" if renews else "never renewed"
    return Finding("pairing", OK, f"{life}, {renewed}; scope {_scope(token.scope)}")


def _scope(scope: str | None) -> str:
    return clean(scope or "not told", _LONGEST_SCOPE)


async def _introspect(case: Case, report: Report) -> None:
    """RFC 7662, for who may: many servers answer clients with a secret alone."""
    token = None if case.keeper is None else case.keeper.token
    why = "there is no token" if token is None else _no_way(case, "introspection_endpoint")
    methods = case.members.get("introspection_endpoint_auth_methods_supported")
    if not why and case.client.client_auth == "none" and isinstance(methods, list) and "none" not in methods:
        why = "the server tells clients without a secret nothing"
    if why or token is None or case.metadata is None:
        report.add("introspection", SKIPPED, why)
        return
    request = introspection_request(case.metadata, case.client, token.access_token, "access_token")
    response = await case.open_http().exchange(request)
    try:
        said = read_introspection(response, token.access_token, *case.client.secrets)
    except (OAuthError, ProtocolError) as error:
        report.add("introspection", SKIPPED, f"the server does not tell this client: {error}")
        return
    if said.active and said.client_id not in (None, case.client.client_id):
        words = f"the token is active, and another client's: {said.client_id}"
        report.add("introspection", WARN, words, "Check oauth.client_id, and pair the device anew.")
    elif said.active:
        report.add("introspection", OK, f"the server calls the token active; scope {_scope(said.scope)}")
    elif case.keeper is not None and not case.keeper.is_usable():
        report.add("introspection", OK, "the token has ended, says the server as well")
    else:
        _inactive(case, report)


def _inactive(case: Case, report: Report) -> None:
    words = "the server calls the token inactive before its end: it was revoked, or is another server's"
    if case.client.client_auth != "none":
        report.put(failure("introspection", UnpairedError(words)))
        return
    # Section 2.2: that is also what those hear who may not ask.
    advice = "If the next refresh fails as well, pair the device again: pairlet pair."
    report.add("introspection", WARN, f"{words}, or this client may not ask", advice)
