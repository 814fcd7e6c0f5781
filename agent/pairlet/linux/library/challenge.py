"""WWW-Authenticate (RFC 9110 section 11.6.1): what a resource server has against a token."""

import re

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rf'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_TOKEN}))'
_TOKEN68 = r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))"
# A parameter, or the scheme (perhaps with a token68) that those after it belong to. Some forget the commas.
_PIECE = re.compile(
    rf"[ \t,]*(?:(?P<name>{_TOKEN})[ \t]*=[ \t]*{_VALUE}|(?P<scheme>{_TOKEN})(?:[ \t]+{_TOKEN68})?)"
    r"(?=[ \t,]|$)"
)
_LONGEST = 8192


def challenge_error(field: str, wanted: str) -> str | None:
    """The `error` of the challenge of the scheme `wanted` in all WWW-Authenticate fields, with commas.

    "bearer" is RFC 6750 section 3, "dpop" RFC 9449 section 7.1.

    None where there is none, and for what can't be read.
    """
    if len(field) > _LONGEST:
        return None
    scheme, position = "", 0
    while piece := _PIECE.match(field, position):
        position = piece.end()
        if piece["scheme"]:
            scheme = piece["scheme"].lower()
        elif scheme == wanted and piece["name"].lower() == "error":
            quoted = piece["quoted"]
            return piece["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return None
