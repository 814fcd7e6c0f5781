"""What may be an answer to each question. Each function takes the text without spaces around it, returns what
goes into the file, and raises ConfigError with a sentence of what is wrong and one of what to do."""

import re
from collections.abc import Callable

from ...core.errors import ConfigError
from ...core.text import is_clean, is_printable_ascii
from ...core.url import is_loopback, is_secure, split
from ..mqtt_address import parse_address

# RFC 6749 section 3.3.
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NOTHING = "-"


def plain(text: str) -> str:
    """Any text that a screen can show."""
    if not text or not is_clean(text):
        raise ConfigError(
            "that has a character in it that can't be seen, or none at all",
            "Write it anew, in characters that can be seen.",
        )
    return text


def issuer(text: str) -> str:
    """An address of https, or of http on this machine (see is_for_trying_out)."""
    if split(text) is None or "?" in text:
        raise ConfigError(
            "that is not an address that an issuer may have",
            "Write it as the server does, such as https://auth.example.com.",
        )
    if not is_secure(text, insecure_http=True):
        raise ConfigError(
            "plain http works on this machine alone", "Write an address that begins with https://."
        )
    return text


def is_for_trying_out(issuer: str) -> bool:
    """Whether an address is plain http to this very machine."""
    parts = split(issuer)
    return parts is not None and parts.scheme == "http" and is_loopback(parts.host)


def client_id(text: str) -> str:
    """RFC 6749 appendix A.1."""
    if not text or not is_printable_ascii(text):
        raise ConfigError(
            "a client_id is made of printable ASCII characters",
            "Copy it from where the client is registered with the server.",
        )
    return text


def scope(text: str) -> str:
    """Scopes with one space in between (RFC 6749 section 3.3); "" for "-"."""
    words = text.split()
    if words == [NOTHING]:
        return ""
    for word in words:
        if not _SCOPE_TOKEN.fullmatch(word):
            raise ConfigError(
                "a scope has only printable ASCII characters, and neither quotes nor backslashes",
                "Write the scopes with spaces in between, such as openid offline_access.",
            )
    return " ".join(words)


def some_scope(text: str) -> str:
    """As scope(), where there has to be one."""
    words = scope(text)
    if not words:
        raise ConfigError("this provider wants a scope", "Name at least one.")
    return words


def variable(text: str) -> str:
    """The name of an environment variable. What was typed is not repeated: it could be the secret."""
    if not _VARIABLE.fullmatch(text):
        raise ConfigError(
            "that is no name of an environment variable",
            "Write its name, not what is in it: letters, digits and _.",
        )
    return text


def credential(text: str) -> str:
    """The name of a systemd credential (systemd.exec(5)): that of a file, without its folder."""
    if not is_clean(text) or "/" in text or text in ("", ".", ".."):
        raise ConfigError(
            "that is no name of a systemd credential",
            "Write the name that LoadCredential= in the unit gives it.",
        )
    return text


def broker(text: str) -> str:
    """mqtts://HOST or mqtts://HOST:PORT, or mqtt:// to this machine; "" for "-"."""
    if text == NOTHING:
        return ""
    try:
        parse_address(text, insecure=True)
    except ConfigError as error:
        raise ConfigError(str(error).rstrip("."), "Write mqtts://HOST or mqtts://HOST:PORT.") from None
    return text


def or_nothing(check: Callable[[str], str]) -> Callable[[str], str]:
    """As `check`, and "" for "-"."""
    return lambda text: "" if text == NOTHING else check(text)


def named_value(text: str) -> tuple[str, str]:
    """NAME=VALUE, taken apart."""
    name, mark, value = text.partition("=")
    if not mark or not name.strip() or not value.strip():
        raise ConfigError(f"{text}: that is no NAME=VALUE", "Write it with a '=' between name and value.")
    return name.strip(), value.strip()
