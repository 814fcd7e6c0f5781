"""What an authorization server says of itself (RFC 8414), for those through whose hands answers pass."""

from ..core.errors import ProtocolError
from ..core.http import Request, Response
from ..core.json_object import parse


def metadata_in(request: Request, response: Response, issuer: str) -> dict[str, object] | None:
    """The members of the metadata of `issuer`, None if that is not what `response` is (section 3.3)."""
    if request.method != "GET" or response.status != 200:
        return None
    try:
        members = parse(response.body)
    except ProtocolError:
        return None
    return members if members.get("issuer") == issuer else None
