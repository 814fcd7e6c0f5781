"""What an answer of an OAuth endpoint means, before anyone looks at its fields.

Providers bend the status (pending comes as 200, 400, 403 and 428), so the body decides: an `error`
is an error, members without one are a success under a 2xx status. Everything else is a fault: no
answer at all in the sense of RFC 6749 section 5, such as a captive portal's page, a redirect, a 429
or a 5xx without an OAuth body. RFC 8628 section 3.5 ends a poll on an error, but only backs off when
the server can't be reached; we read a fault as the latter, since nothing in it speaks for the server.
"""

from .errors import OAuthError, ProtocolError
from .http import Response
from .json_object import parse
from .secret import Secret
from .text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUCCESS = "success"
ERROR = "error"
FAULT = "fault"

_LONGEST_RETRY_S = 3600

# Codes that speak of the server's own trouble, not of the request: RFC 6749 section 4.1.2.1.
_SERVER_TROUBLE = ("server_error", "temporarily_unavailable")
_STILL_POLLING = ("authorization_pending", "slow_down")


class Answer:
    """`kind`: one of the above. `members`: the JSON object. `error`: an OAuthError, or for a fault the
    ProtocolError that says what was wrong, or None. `retry_after_ms`: what the server asked for, or 0.

    Members hold tokens, so `repr` shows only the kind.
    """

    def __init__(self, kind: str, members: "dict[str, object]", error: "Any", retry_after_ms: int):
        self.kind = kind
        self.members = members
        self.error = error
        self.retry_after_ms = retry_after_ms

    def __repr__(self) -> str:
        return f"<Answer {self.kind}>"


def read_answer(response: Response, *secrets: Secret) -> Answer:
    """Sort `response` into success, error or fault. Never raises.

    `secrets`: what the server was sent; some servers quote it in their error_description.
    """
    retry_after_ms = 1000 * _retry_after_s(response)
    try:
        members = parse(response.body)
    except ProtocolError as error:
        return Answer(FAULT, {}, _fault(response, f"but {error}"), retry_after_ms)
    code = members.get("error")
    if code is None:
        if 200 <= response.status < 300:
            return Answer(SUCCESS, members, None, retry_after_ms)
        return Answer(FAULT, members, _fault(response, "and no OAuth error"), retry_after_ms)
    if not isinstance(code, str) or not _is_error_code(code):
        return Answer(FAULT, members, _fault(response, "with an unreadable error code"), retry_after_ms)
    # 429 and 5xx speak of load or of something in between, whatever word comes along with them.
    troubled = response.status == 429 or response.status >= 500
    if code in _SERVER_TROUBLE or (troubled and code not in _STILL_POLLING):
        return Answer(FAULT, members, _fault(response, f"and '{code}'"), retry_after_ms)
    description = members.get("error_description")
    if isinstance(description, str):
        for secret in secrets:
            description = description.replace(secret.reveal(), "<secret>")
        description = clean(description)
    else:
        description = None
    return Answer(ERROR, members, OAuthError(code, description), retry_after_ms)


def read_token_answer(response: Response, *secrets: Secret) -> Answer:
    """As read_answer, for a token request (RFC 6749 section 5.1): a success without an access_token is a
    fault. It is JSON from something in between; if it was the server after all, its next answer says so."""
    answer = read_answer(response, *secrets)
    if answer.kind == SUCCESS and "access_token" not in answer.members:
        fault = ProtocolError("the server answered neither a token nor an error")
        return Answer(FAULT, answer.members, fault, answer.retry_after_ms)
    return answer


def _fault(response: Response, what: str) -> ProtocolError:
    sort = (response.header("content-type") or "").partition(";")[0].strip().lower()
    if sort == "text/html":
        what = "and a web page: a captive portal, or not the server's address"
    elif 300 <= response.status < 400:
        what = "and a redirect, which is not followed"
    return ProtocolError("the server answered HTTP %d %s" % (response.status, what))


def _is_error_code(code: str) -> bool:
    """%x20-21 / %x23-5B / %x5D-7E, and of a length that means something (RFC 6749 section 5.2)."""
    if not 0 < len(code) <= 100:
        return False
    return all(not (not 32 <= ord(character) <= 126 or character in '"\\') for character in code)


def _retry_after_s(response: Response) -> int:
    """Seconds of the Retry-After header (RFC 9110 section 10.2.3), between 0 and an hour.

    A date is measured against the answer's own Date, so the device needs no clock of its own.
    """
    value = response.header("retry-after")
    if value is None:
        return 0
    value = value.strip()
    if value and all(character in "0123456789" for character in value):
        return min(int(value), _LONGEST_RETRY_S) if len(value) <= 9 else _LONGEST_RETRY_S
    until, since = http_date(value), http_date(response.header("date") or "")
    if until is None or since is None:
        return 0
    return max(0, min(until - since, _LONGEST_RETRY_S))


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(value: str) -> "int | None":
    """Unix seconds of an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7), or None."""
    parts = value.split(" ")
    if len(parts) != 6 or parts[5] != "GMT" or parts[2] not in _MONTHS:
        return None
    time = parts[4].split(":")
    numbers = [parts[1], parts[3]] + time
    for number in numbers:
        if not number or len(number) > 4 or not all(character in "0123456789" for character in number):
            return None
    if len(time) != 3:
        return None
    day, year, hour, minute, second = [int(number) for number in numbers]
    if year < 1970 or not 1 <= day <= 31 or hour > 23 or minute > 59 or second > 60:
        return None
    return 86400 * _days(year, _MONTHS.index(parts[2]) + 1, day) + 3600 * hour + 60 * minute + second


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, by counting years from March."""
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
