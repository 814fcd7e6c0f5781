"""User codes: easy to read out, easy to type, hard to guess (RFC 8628 section 6.1)."""

import re

from authlib.oauth2.rfc8628.endpoint import create_string_user_code

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_WELL_FORMED = re.compile(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}")


def new_user_code() -> str:
    """A random XXXX-XXXX of the 20 consonants: 20^8 codes, about 34.5 bits."""
    return str(create_string_user_code())


def normalise(typed: str) -> str | None:
    """The code as the server spells it, or None if it can't be one.

    Case, dashes, spaces and other punctuation don't matter: section 6.1 asks servers to strip them.
    """
    letters = "".join(letter for letter in typed[:100].upper() if letter.isalnum())
    code = f"{letters[:4]}-{letters[4:]}"
    return code if _WELL_FORMED.fullmatch(code) else None
