"""What one provider's profile says: settings, what is left to set, and a dialect."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.dialect import filled
from ...core.errors import ConfigError

_SECRETS = ("client_secret_file", "client_secret_credential", "client_secret_env")


class Profile:
    """A profile whose members have been checked; `path`: where it was read from."""

    def __init__(self, tables: dict[str, Any], path: Path):
        self.tables = tables
        self.path = path
        self.name: str = tables.get("name", "")
        self.values: dict[str, str] = tables.get("values", {})
        self.needs: dict[str, str] = tables.get("needs", {})

    @property
    def wants_secret(self) -> bool:
        """Whether no client can do without a secret, be it one that it gets by registering."""
        return "client_secret_file" in self.needs or "registration" in self.tables.get("dialect", {})

    def templates(self) -> Iterator[tuple[str, str]]:
        """The texts in the presets of [oauth], which may have values in braces, as (key, template)."""
        for key, value in self.tables.get("oauth", {}).items():
            texts = value.values() if isinstance(value, dict) else [value]
            yield from ((key, text) for text in texts if isinstance(text, str))

    def filled_values(self, given: dict[str, str], where: str) -> dict[str, str]:
        """The values in force: `given` over the defaults. ConfigError for one that is unknown or open."""
        for name in given:
            if name not in self.values:
                known = ", ".join(self.values)
                raise ConfigError(
                    f"{where}: {self.name} knows no provider value '{name}'",
                    f"There are: {known}." if known else "This provider needs none: leave it out.",
                )
        values = {name: given.get(name) or default for name, default in self.values.items()}
        # A default may be made of the others: an address with a region in it.
        values = {name: filled(value, values) for name, value in values.items()}
        for name, value in values.items():
            if not value:
                words = self.needs.get(name, "see its documentation")
                raise ConfigError(
                    f"{where}: {self.name} needs the provider value '{name}'",
                    f'Set oauth.provider_values = {{ {name} = "..." }}: {words}.',
                )
        return values

    def presets(self, values: dict[str, str], where: str) -> dict[str, dict[str, object]]:
        """Tables as in pairlet.toml, checked by nobody yet."""
        oauth = {key: _filled(value, values) for key, value in self.tables.get("oauth", {}).items()}
        table = self.dialect()
        if table:
            oauth["dialect"] = table
        tables: dict[str, dict[str, object]] = {"oauth": oauth}
        if "pairing" in self.tables:
            tables["pairing"] = dict(self.tables["pairing"])
        return tables

    def dialect(self) -> dict[str, object]:
        """What a device has to know beyond settings, empty for a provider that keeps to the RFCs.

        How errors are said is turned around: from what is said to the code that the RFCs have for it.
        """
        table: dict[str, object] = dict(self.tables.get("dialect", {}))
        words: dict[str, str] = {}
        statuses: dict[str, str] = {}
        for code, entry in self.tables.get("errors", {}).items():
            said = said_for(code, entry)
            if "" in said:
                statuses[str(entry.get("status", 400))] = code
            words.update({word.lower(): code for word in said if word and word != code})
        if words:
            table["words"] = words
        if statuses:
            table["statuses"] = statuses
        return table

    def missing(self, is_set: set[str]) -> tuple[str, str] | None:
        """The first setting of [oauth] that is needed and not among `is_set`, with what to put there."""
        for key, words in self.needs.items():
            if key in self.values:
                continue
            if key not in is_set and not (key == "client_secret_file" and is_set & set(_SECRETS)):
                return key, words
        return None


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, values) for key, part in value.items()}
    return filled(value, values) if isinstance(value, str) else value


def said_for(code: str, entry: dict[str, Any]) -> list[str]:
    """The words that stand for the error `code`; an empty one where the status alone does."""
    says = entry.get("says", code)
    return list(says) if isinstance(says, list) else [says]
