"""What the firmware says to people, in a file beside this one: `pairlet flash` moves it out of the code."""

_FILE = __file__.rpartition("/")[0] + "/sentences.txt"


def sentence(place: int) -> str:
    """The text at `place` of the file: two bytes with its length, then so many of UTF-8.

    Never raises: whoever says something is in trouble already.
    """
    try:
        with open(_FILE, "rb") as file:
            file.seek(place)
            length = int.from_bytes(file.read(2), "big")
            text: str = file.read(length).decode()
            return text
    except (OSError, UnicodeError):
        return f"sentence {place} of {_FILE}"
