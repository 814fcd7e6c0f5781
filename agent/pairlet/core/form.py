"""application/x-www-form-urlencoded as OAuth uses it (RFC 6749 appendix B): UTF-8, space as "+"."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Sequence[tuple[str, str | None]]

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._*"
_HEX = b"0123456789ABCDEF"


def quote(text: str) -> str:
    """One name or value, encoded."""
    data = text.encode()
    if not data.strip(_PLAIN):
        return text
    encoded = bytearray()
    for byte in data:
        if byte in _PLAIN:
            encoded.append(byte)
        elif byte == 0x20:
            encoded.append(0x2B)
        else:
            encoded.append(0x25)
            encoded.append(_HEX[byte >> 4])
            encoded.append(_HEX[byte & 15])
    return bytes(encoded).decode()


def encode(pairs: "Pairs") -> bytes:
    """The body for `pairs`, in their order.

    A parameter without a value counts as left out (RFC 6749 section 3.2), so None and "" are left out.
    """
    return "&".join([quote(name) + "=" + quote(value) for name, value in pairs if value]).encode()
