"""Bodies of type application/x-www-form-urlencoded, read strictly (RFC 6749 section 3.2, appendix B)."""

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_BODY = 64 * 1024
_MAX_FIELDS = 50
_BODY_TIMEOUT_S = 20

# RFC 8707 section 2 lets a client name several resources.
_REPEATABLE = frozenset({"resource"})


class FormError(Exception):
    """The body is not a form we accept. `status` is the HTTP status, the text one ASCII sentence."""

    def __init__(self, sentence: str, status: int = 400):
        super().__init__(sentence)
        self.status = status


class Form:
    """Parameters of a request, each at most once except `resource`. Values never show in `repr`."""

    def __init__(self, pairs: list[tuple[str, str]]):
        self.values: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        for name, value in pairs:
            # "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749 3.2).
            if not value:
                continue
            if name in self.values and name not in _REPEATABLE:
                raise FormError("A parameter is given more than once.")
            self.values.setdefault(name, value)
            self.lists.setdefault(name, []).append(value)

    def get(self, name: str) -> str:
        """The value of `name`, or an empty string."""
        return self.values.get(name, "")

    def __repr__(self) -> str:
        return f"<Form {sorted(self.values)}>"


async def read_form(request: Request) -> Form:
    """Read and parse the body of `request`. Raises FormError."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await _read_body(request)
    # Nothing at all is a form without parameters: all that a client with Basic credentials may need.
    if media_type != MEDIA_TYPE and (body or media_type):
        raise FormError(f"The body must be {MEDIA_TYPE}.")
    return parse_form(body)


def parse_form(body: bytes) -> Form:
    """Parse a body. Raises FormError on anything that is not UTF-8 form data, or has too many fields."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise FormError("The body is not well-formed UTF-8 form data, or has too many fields.") from None
    return Form(pairs)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise FormError("The body is too large.", 413)
    except TimeoutError:
        raise FormError("The body took too long to arrive.", 408) from None
    except ClientDisconnect:
        raise FormError("The connection ended before the body did.") from None
    return bytes(body)
