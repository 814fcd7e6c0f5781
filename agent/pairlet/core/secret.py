"""Values that must not be shown: tokens, device codes, client secrets, Wi-Fi keys."""


class Secret:
    """A string that no print, log, repr or format shows. `reveal()` is the only way out.

    Calls of `reveal()` belong where the value goes onto the wire or into the store, nowhere else.
    """

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    def __str__(self) -> str:
        return "<secret>"

    def __format__(self, specification: str) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        # A pickle or a copy would carry the text to places that print it.
        raise TypeError("a secret can't be pickled or copied")
