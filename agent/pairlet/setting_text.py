"""Settings as the command line has them: as text. Not for boards."""

from .config import COMMAND, FLAG, INTEGER, RESOURCES, TABLE, TEXTS


def from_text(kind: str, text: str) -> object:
    """`text` as a file would have it, for a setting of that kind; what can't be read stays text."""
    if kind == FLAG:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == INTEGER:
        return int(text) if 0 < len(text) < 16 and all(digit in "0123456789" for digit in text) else text
    if kind in (TEXTS, RESOURCES) or (kind == COMMAND and text not in ("auto", "none")):
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind == TABLE:
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip(): value.strip() for name, _, value in pairs}
    return text
