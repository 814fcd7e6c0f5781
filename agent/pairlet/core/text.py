"""Text that came from elsewhere, made fit for a screen and a log."""


def _is_harmful(code: int) -> bool:
    """Whether a code point can steer a terminal or reorder what a person reads."""
    return (
        code < 0x20  # C0 controls: ESC begins every ANSI sequence
        or 0x7F <= code <= 0x9F  # DEL and the C1 controls: 0x9B is a one-byte CSI
        or code in (0xAD, 0x061C, 0x180E, 0x3164, 0xFEFF)  # invisible: soft hyphen, letter marks, fillers
        or 0x200B <= code <= 0x200F  # zero width characters and direction marks
        or 0x2028 <= code <= 0x202E  # line separators, bidi embeddings and overrides
        or 0x2060 <= code <= 0x206F  # word joiner, bidi isolates, deprecated controls
        or 0xD800 <= code <= 0xDFFF  # half of a surrogate pair: can't be encoded
        or 0xFFF9 <= code <= 0xFFFB  # interlinear annotation
        or 0xE0000 <= code <= 0xE007F  # invisible tags
        or code > 0x10FFFF  # MicroPython decodes what UTF-8 does not have
    )


def is_clean(text: str) -> bool:
    """Whether `text` holds nothing that could steer a screen."""
    return all(not _is_harmful(ord(character)) for character in text)


def clean(text: str, limit: int = 200) -> str:
    """`text` on one line without control, direction or invisible characters, `limit` characters at most."""
    pieces = []
    for character in text[: 4 * limit]:
        pieces.append(" " if _is_harmful(ord(character)) else character)
    tidy = " ".join("".join(pieces).split())
    return tidy if len(tidy) <= limit else tidy[: limit - 3] + "..."


def is_printable_ascii(text: str) -> bool:
    """Whether all of `text` is VSCHAR, %x20-7E (RFC 6749 appendix A): what credentials are made of."""
    return all(32 <= ord(character) <= 126 for character in text)
