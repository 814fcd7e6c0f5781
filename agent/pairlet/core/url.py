"""Just enough of RFC 3986 to decide whether an address may be used and to build well-known ones."""

from collections import namedtuple

# scheme and host in lower case; port as int or None; path with its "/"; query without its "?" or None.
Url = namedtuple("Url", ("scheme", "host", "port", "path", "query"))

_MOST = 2048


def split(url: object) -> "Url | None":
    """The parts of an absolute http or https address, or None if it is not one.

    Refused as well: user names in the address, fragments, anything but printable ASCII, and more
    than 2048 characters. All of them are ways to make an address look like another.
    """
    if not isinstance(url, str) or not 0 < len(url) <= _MOST or not _is_plain(url):
        return None
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in ("http", "https") or "#" in rest:
        return None
    rest, mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    host, port = _host_and_port(authority)
    if host is None or port == -1:
        return None
    return Url(scheme, host, port, slash + path, query if mark else None)


def _is_plain(url: str) -> bool:
    return all(not (not 33 <= ord(character) <= 126 or character in '"<>\\^`{|}') for character in url)


def _host_and_port(authority: str) -> "tuple[str | None, int | None]":
    """("host", port or None); the host None or the port -1 when they are not well formed."""
    if authority.startswith("["):
        inside, mark, after = authority[1:].partition("]")
        host = inside if mark and ":" in inside and _only(inside.lower(), "0123456789abcdef:.") else None
        if after and not after.startswith(":"):
            return None, -1
        port = after[1:] if after else ""
    else:
        host, _, port = authority.partition(":")
        if not _only(host.lower(), "abcdefghijklmnopqrstuvwxyz0123456789-._"):
            return None, -1
    if not host or authority.endswith(":") or not _has_good_labels(host):
        return None, -1
    if not port:
        return host.lower(), None
    if not _only(port, "0123456789") or len(port) > 5 or not 0 < int(port) < 65536:
        return None, -1
    return host.lower(), int(port)


def _has_good_labels(host: str) -> bool:
    """RFC 1035 section 2.3.4. Python's resolver dies of others with an error that no socket code expects."""
    labels = (host[:-1] if host.endswith(".") else host).split(".")
    return len(host) <= 254 and all(0 < len(label) <= 63 for label in labels)


def _only(text: str, allowed: str) -> bool:
    return all(character in allowed for character in text)


def is_absolute_uri(uri: object) -> bool:
    """Whether `uri` has a scheme and something behind it, and no fragment (RFC 3986 section 4.3)."""
    if not isinstance(uri, str) or not 0 < len(uri) <= _MOST or not _is_plain(uri):
        return False
    scheme, mark, rest = uri.partition(":")
    scheme = scheme.lower()
    is_scheme = "a" <= scheme[:1] <= "z" and _only(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.")
    return is_scheme and bool(mark and rest) and "#" not in rest


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine (RFC 8252 section 8.3)."""
    if host in ("localhost", "::1"):
        return True
    parts = host.split(".")
    # 127.1000.0.1 is no address but a name, and a name may lead anywhere.
    return len(parts) == 4 and parts[0] == "127" and all(_is_octet(part) for part in parts)


def _is_octet(text: str) -> bool:
    return 0 < len(text) <= 3 and _only(text, "0123456789") and int(text) <= 255


def is_secure(url: object, insecure_http: bool = False) -> bool:
    """Whether secrets may go to `url`: https, or with `insecure_http` plain http on loopback."""
    parts = split(url)
    if parts is None:
        return False
    return parts.scheme == "https" or (insecure_http and is_loopback(parts.host))


def well_known(issuer: str, name: str, *, inserted: bool) -> str:
    """Where an issuer publishes metadata.

    `inserted`: between host and path (RFC 8414 section 3.1); otherwise appended to the path
    (OpenID Connect Discovery section 4).
    """
    start = issuer.find("://") + 3
    slash = issuer.find("/", start)
    origin, path = (issuer, "") if slash < 0 else (issuer[:slash], issuer[slash:])
    while path.endswith("/"):
        path = path[:-1]
    if inserted:
        return origin + "/.well-known/" + name + path
    return origin + path + "/.well-known/" + name
