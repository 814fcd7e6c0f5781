"""Settings as the agent asks for them, once they are checked.

Apart from pairlet.config, so that a board can forget how they were checked.
"""


class Settings:
    """Values by name, "table.key"; each kind has its method."""

    def __init__(self, values: "dict[str, object]"):
        self.values = values

    def get(self, name: str) -> object:
        """The value; durations in ms."""
        return self.values.get(name)

    def text(self, name: str) -> str:
        """A text, "" when there is none."""
        value = self.get(name)
        return "" if value is None else str(value)

    def integer(self, name: str) -> int:
        """A whole number, or a duration in ms."""
        value = self.get(name)
        assert isinstance(value, int)
        return value

    def numbers(self, name: str) -> "list[int]":
        """A list of whole numbers."""
        value = self.get(name)
        assert isinstance(value, list)
        return value

    def flag(self, name: str) -> bool:
        """A switch."""
        return self.get(name) is True

    def texts(self, name: str) -> "list[str] | None":
        """A list of texts, None when there is none."""
        value = self.get(name)
        return value if isinstance(value, list) else None

    def pairs(self, name: str) -> "list[tuple[str, str | None]]":
        """A table of texts as pairs."""
        value = self.get(name)
        return list(value.items()) if isinstance(value, dict) else []
