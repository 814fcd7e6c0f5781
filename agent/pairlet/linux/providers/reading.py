"""Reading a profile's file, and saying of each member what is wrong with it."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core import dialect
from ...core.errors import ConfigError
from .profile import Profile

_HERE = Path(__file__).parent
_SUFFIX = ".toml"
_FIRST = "Look at the profiles that come along, and at agent/README.md."

# RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, RFC 7009 section 2.2.1, RFC 7591 section 3.2.2, RFC
# 8707 section 2 and RFC 9449 sections 5 and 8.
_CODES = (
    "access_denied", "authorization_pending", "expired_token", "invalid_client", "invalid_client_metadata",
    "invalid_dpop_proof", "invalid_grant", "invalid_redirect_uri", "invalid_request", "invalid_scope",
    "invalid_target", "server_error", "slow_down", "temporarily_unavailable", "unauthorized_client",
    "unsupported_grant_type", "unsupported_response_type", "unsupported_token_type", "use_dpop_nonce",
)  # fmt: skip

Check = Callable[[object], bool]


def names() -> list[str]:
    """The profiles that come along."""
    return sorted(file.stem for file in _HERE.glob("*" + _SUFFIX))


def read(named: str, beside: Path) -> Profile:
    """The profile of that name, or in that file: a path from the folder `beside`. Raises ConfigError."""
    if not named.endswith(_SUFFIX) and "/" not in named:
        if named not in names():
            words = "There are: " + ", ".join(names()) + "; or name a file that ends in .toml."
            raise ConfigError(f"there is no provider '{named}'", words)
        return _checked(_HERE / (named + _SUFFIX))
    return _checked(beside / Path(named).expanduser())


def _checked(path: Path) -> Profile:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the profile {path} can't be read: {error.strerror}", "Check the path in oauth.provider."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the profile {path} is not TOML: {error}", "Correct the line it names.") from None
    except RecursionError:
        advice = "Look for a bracket or brace that is there again and again."
        raise ConfigError(f"the profile {path} is nested too deeply to be read", advice) from None
    for key, value in tables.items():
        if key not in _MEMBERS:
            raise ConfigError(
                f"{path}: there is no '{key}' in a profile", "There are: " + ", ".join(_MEMBERS) + "."
            )
        fits, words = _MEMBERS[key]
        if not fits(value):
            raise ConfigError(f"{path}: {key} can't be used as it is", f"It takes {words}.")
    if not tables.get("name"):
        raise ConfigError(f"{path}: the profile has no name", _FIRST)
    _check_errors(tables.get("errors", {}), path)
    own = tables.get("dialect", {})
    for key in ("words", "statuses"):
        if isinstance(own, dict) and key in own:
            raise ConfigError(f"{path}: {key} don't belong into dialect", "They are made from [errors].")
    profile = Profile(tables, path)
    if own:
        dialect.check(own, f"{path}: dialect")
        _check_statuses(own.get("refresh_statuses", {}), path)
    _check_values(profile, path)
    return profile


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_texts_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(part, str) for part in value.values())


def _is_imitation(value: object) -> bool:
    """Where to leave members out of, and which to add, in the two answers that the simulator gives."""
    if not isinstance(value, dict) or not set(value) <= {"code", "token"}:
        return False
    return all(
        isinstance(answer, dict)
        and set(answer) <= {"leaves_out", "adds"}
        and isinstance(answer.get("leaves_out", []), list)
        and all(isinstance(name, str) for name in answer.get("leaves_out", []))
        and isinstance(answer.get("adds", {}), dict)
        and _is_json(answer.get("adds", {}))
        for answer in value.values()
    )


def _is_json(value: object) -> bool:
    """Whether it can be said in JSON: a date of TOML can't."""
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


_MEMBERS: dict[str, tuple[Check, str]] = {
    "name": (_is_text, "a text: what the provider calls itself"),
    "docs": (_is_text, "a text: where the provider describes it"),
    "values": (_is_texts_table, "a table of texts: what addresses may have in braces, with defaults"),
    "needs": (_is_texts_table, "a table of texts: a setting of [oauth], and what to put there"),
    "oauth": (_is_table, "a table: settings of [oauth]"),
    "pairing": (_is_table, "a table: settings of [pairing]"),
    "errors": (_is_table, "a table of tables: a code of the RFCs, and how it is said"),
    "dialect": (_is_table, "a table: how requests and answers differ from the RFCs"),
    "imitation": (_is_imitation, "the tables code and token, each with leaves_out and adds"),
}


def _check_errors(errors: dict[str, Any], path: Path) -> None:
    whose: dict[object, str] = {}
    for code, entry in errors.items():
        if code not in _CODES:
            raise ConfigError(
                f"{path}: no RFC has the error '{code}'", "There are: " + ", ".join(_CODES) + "."
            )
        says = entry.get("says", code) if isinstance(entry, dict) else None
        words = says if isinstance(says, list) else [says]
        status = entry.get("status", 400) if isinstance(entry, dict) else None
        is_status = isinstance(status, int) and not isinstance(status, bool) and 200 <= status <= 599
        rest = set(entry) - {"status", "says"} if isinstance(entry, dict) else {"?"}
        if rest or not is_status or not words or not all(isinstance(word, str) for word in words):
            raise ConfigError(
                f"{path}: errors.{code} can't be used as it is",
                "It takes a table: status (200 to 599), and says: a word, a list of words, or nothing "
                'at all ("") where the status is all there is.',
            )
        # A status says something for itself, alone; a word does so with any.
        for said in {word.lower() or str(status) for word in map(str, words)}:
            if whose.setdefault(said, code) != code:
                raise ConfigError(
                    f"{path}: errors.{whose[said]} and errors.{code} are both told by '{said}'",
                    "Keep it where it belongs: one answer can't mean both.",
                )


def _check_statuses(statuses: dict[str, str], path: Path) -> None:
    for status in statuses:
        if not re.fullmatch("[2-5][0-9][0-9]", status):
            raise ConfigError(
                f"{path}: dialect.refresh_statuses has '{status}' in it",
                'It takes statuses (200 to 599), each with a code of the RFCs: 400 = "invalid_grant".',
            )


def _check_values(profile: Profile, path: Path) -> None:
    """Whatever stands in braces must be known."""
    for key, address in profile.templates():
        for name in [part.partition("}")[0] for part in address.split("{")[1:]]:
            if name not in profile.values:
                raise ConfigError(
                    f"{path}: oauth.{key} has {{{name}}} in it",
                    "Add it to [values], with its default or an empty text.",
                )
