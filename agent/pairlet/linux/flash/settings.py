"""What a board is to know: from a file, from options, from the board itself, from a person.

Tables as in config.json: `wifi` and `board`, which only a board has, beside those of pairlet.toml.
"""

import hashlib
import json
import ssl
import tomllib
from argparse import Namespace
from pathlib import Path
from typing import Protocol

from ...core.errors import ConfigError
from ...core.secret import Secret
from ..providers.applying import over, presets
from .install import Settings

Tables = dict[str, dict[str, object]]

WIFI = ("ssid", "key", "hostname", "country")
BOARD = (
    *("display", "width", "height", "i2c", "sda", "scl", "address"),
    *("button", "watchdog", "inputs", "ntp"),
)
DISPLAYS = ("ssd1306", "console", "terminal")
# Tables of pairlet.toml that mean nothing on a board.
_NOT_THERE = ("store", "display")
_CA_FILES = ("oauth", "mqtt")
_KEY_ADVICE = "Put the key into a file of its own, and nothing else."


class Ask(Protocol):
    """A person at a terminal: asked `question`, answers with a text; `hidden`: not shown while typed."""

    def __call__(self, question: str, *, hidden: bool = False) -> str: ...


class Given:
    """Settings that are known so far. Its texts never show: the Wi-Fi key is among them."""

    def __init__(self, tables: Tables, certificates: dict[str, bytes], *, complete: bool):
        self.tables = tables
        self.certificates = certificates
        # Whether a file is behind them, so that nobody needs to be asked what is optional.
        self.complete = complete

    def is_empty(self) -> bool:
        """Whether nothing at all was given."""
        return not self.tables

    def settings(self) -> Settings:
        """For the board; the same settings give the same bytes."""
        text = json.dumps(self.tables, default=_revealed, sort_keys=True, indent=1)
        return Settings(text.encode() + b"\n", self.certificates)


def _revealed(value: object) -> str:
    assert isinstance(value, Secret)
    return value.reveal()


# ---- files and options -----------------------------------------------------------------------


def from_options(options: Namespace) -> Given:
    """What file and options say; the options win. Raises ConfigError if one of them can't be used."""
    tables: Tables = {}
    certificates: dict[str, bytes] = {}
    if options.config:
        path = Path(options.config).expanduser()
        tables = _hidden(_read_tables(path))
        _fetch_certificates(tables, path.parent, certificates)
    for value, table, key in (
        (options.wifi_ssid, "wifi", "ssid"),
        (options.issuer, "oauth", "issuer"),
        (options.client_id, "oauth", "client_id"),
        (options.scope, "oauth", "scope"),
        (options.broker, "mqtt", "url"),
        (options.display, "board", "display"),
    ):
        if value is not None:
            tables.setdefault(table, {})[key] = value
    if options.insecure_http:
        tables.setdefault("oauth", {})["insecure_http"] = True
    if options.wifi_key_file:
        tables.setdefault("wifi", {})["key"] = _key_from(Path(options.wifi_key_file).expanduser())
    if options.ca_file:
        tables.setdefault("oauth", {})["ca_file"] = options.ca_file
        _fetch_certificates(tables, Path(), certificates, only="oauth")
    if "provider" in tables.get("oauth", {}):
        tables = provided(tables, Path(options.config).expanduser().parent)
    return Given(tables, certificates, complete=bool(options.config))


def provided(tables: Tables, beside: Path) -> Tables:
    """`tables` over what the profile that they name presets, and without its name: a board reads no profiles.

    Raises ConfigError, also for a provider that wants a client secret.
    """
    oauth = dict(tables["oauth"])
    found, profile = presets(oauth, beside, "the settings for the board")
    if profile is None:
        return tables
    if profile.wants_secret:
        raise ConfigError(
            f"{profile.name} wants a client secret, and a board keeps none",
            "Pair with it from a device with Linux.",
        )
    merged = {table: dict(keys) for table, keys in found.items()}
    for table, keys in tables.items():
        merged[table] = over(merged.get(table, {}), keys)
    for key in ("provider", "provider_values"):
        merged["oauth"].pop(key, None)
    return merged


def from_board(config: bytes | None) -> Given:
    """What a board's config.json says; nothing if it has none, or one that nobody can read."""
    try:
        tables = json.loads(config or b"{}")
    except ValueError:
        tables = {}
    is_usable = isinstance(tables, dict) and all(isinstance(table, dict) for table in tables.values())
    return Given(_hidden(tables) if is_usable else {}, {}, complete=is_usable and bool(tables))


def merged(below: Given, above: Given) -> Given:
    """`above` over `below`, setting by setting."""
    tables = {name: dict(keys) for name, keys in below.tables.items()}
    if "ssid" in above.tables.get("wifi", {}):
        # The key of another network is nobody's business here.
        tables.pop("wifi", None)
    for name, keys in above.tables.items():
        tables.setdefault(name, {}).update(keys)
    return Given(tables, above.certificates, complete=below.complete or above.complete)


def _read_tables(path: Path) -> Tables:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{path} can't be read: {reason}", "Check the path given with --config.") from None
    is_json = path.suffix == ".json"
    try:
        tables = json.loads(text) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError):
        # The parser's own words would quote the line, and the Wi-Fi key may be on it.
        kind = "JSON" if is_json else "TOML"
        raise ConfigError(f"{path} is not {kind}", "Look for a missing comma, quote or brace.") from None
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{path} is not made of tables", "Start from firmware/config.example.json.")
    return tables if is_json else {name: keys for name, keys in tables.items() if name not in _NOT_THERE}


def _hidden(tables: Tables) -> Tables:
    """The Wi-Fi key made unprintable."""
    key = tables.get("wifi", {}).get("key")
    if isinstance(key, str):
        tables["wifi"]["key"] = Secret(key)
    return tables


def _key_from(path: Path) -> Secret:
    try:
        key = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"the Wi-Fi key in {path} can't be read: {reason}", _KEY_ADVICE) from None
    if not key:
        raise ConfigError(f"{path} is empty", _KEY_ADVICE)
    return Secret(key)


def _fetch_certificates(tables: Tables, start: Path, into: dict[str, bytes], only: str | None = None) -> None:
    """Read the files that the settings name; on the board a file is called by what is in it."""
    for table in _CA_FILES:
        named = tables.get(table, {}).get("ca_file")
        if not isinstance(named, str) or (only and table != only):
            continue
        path = start / Path(named).expanduser()
        try:
            data = path.read_bytes()
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii"))
        except OSError as error:
            # SSLError is an OSError too, but one without a file.
            reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise _no_certificate(path, reason) from None
        except ValueError:
            raise _no_certificate(path, "it is not PEM") from None
        name = f"ca-{hashlib.sha256(data).hexdigest()[:8]}.pem"
        into[name] = data
        tables[table]["ca_file"] = name


def _no_certificate(path: Path, reason: str | None) -> ConfigError:
    return ConfigError(f"the CA file {path} can't be used: {reason}", "Give the CA's certificate as PEM.")


# ---- a person --------------------------------------------------------------------------------


def completed(given: Given, ask: Ask | None, *, new_network: bool = False) -> Given:
    """`given` with what is missing, asked of the person if there is one. Raises ConfigError otherwise.

    `new_network`: the network was named by hand, so that its key may be missing; one that came from a file
    without a key is open. Whoever has given all that is needed is not asked for what is optional.
    """
    oauth, wifi = given.tables.setdefault("oauth", {}), given.tables.setdefault("wifi", {})
    has_endpoints = "device_authorization_endpoint" in oauth and "token_endpoint" in oauth
    asked = _need(wifi, "ssid", "Wi-Fi network", "--wifi-ssid", ask)
    if (asked or new_network) and ask is not None and "key" not in wifi:
        key = ask("Wi-Fi key (empty for an open network): ", hidden=True)
        if key:
            wifi["key"] = Secret(key)
    if not has_endpoints:
        asked |= _need(oauth, "issuer", "Authorization server (https://...)", "--issuer", ask)
    asked |= _need(oauth, "client_id", "client_id", "--client-id", ask)
    if asked and ask is not None and not given.complete and "url" not in given.tables.get("mqtt", {}):
        broker = ask("Broker (mqtts://..., empty for none): ").strip()
        if broker:
            given.tables.setdefault("mqtt", {})["url"] = broker
    return given


def _need(table: dict[str, object], key: str, question: str, option: str, ask: Ask | None) -> bool:
    """True if the person was asked."""
    if key in table:
        return False
    answer = ask(question + ": ").strip() if ask is not None else ""
    if not answer:
        raise ConfigError(f"the board's {key} is missing", f"Give {option}, or a file with --config.")
    table[key] = answer
    return True


# ---- checks ----------------------------------------------------------------------------------


def check_edges(tables: Tables, where: str) -> None:
    """The tables that only a board has, and what a board can't do. Raises ConfigError."""
    _known(tables.get("wifi", {}), "wifi", WIFI, where)
    _known(tables.get("board", {}), "board", BOARD, where)
    check_ssid(tables.get("wifi", {}).get("ssid"), where)
    key = tables.get("wifi", {}).get("key")
    # IEEE 802.11: a passphrase of 8 to 63 characters, or the key itself in 64 hexadecimal digits.
    if key is not None and not (isinstance(key, Secret) and (not key or 8 <= len(key.reveal()) <= 64)):
        raise ConfigError(
            f"{where}: wifi.key is no Wi-Fi key",
            "It has 8 to 63 characters, or none.",
        )
    check_display(tables.get("board", {}).get("display", "console"), where)
    check_broker_address(tables.get("mqtt", {}).get("url", "mqtts://"), where)
    oauth = tables.get("oauth", {})
    if "client_secret_file" in oauth:
        raise ConfigError(
            f"{where}: a board keeps no client secret", "Register the board's client_id as a public client."
        )
    if "ca_file" not in oauth and any(str(value).startswith("https://") for value in oauth.values()):
        raise ConfigError(
            f"{where}: a board trusts no certificate of itself",
            "Give the CA certificate of the authorization server with --ca-file PEM.",
        )


def check_ssid(ssid: object, where: str) -> None:
    """ConfigError unless it can be the name of a Wi-Fi network (IEEE 802.11)."""
    if not isinstance(ssid, str) or not 1 <= len(ssid.encode("utf-8", "replace")) <= 32:
        raise ConfigError(f"{where}: wifi.ssid is no name of a network", "It has 1 to 32 bytes.")


def check_display(display: object, where: str) -> None:
    """ConfigError unless boards have it."""
    if display not in DISPLAYS:
        raise ConfigError(f"{where}: a board has no display '{display}'", "Use " + ", ".join(DISPLAYS) + ".")


def check_broker_address(address: object, where: str) -> None:
    """ConfigError unless it looks like a broker's."""
    if not str(address).startswith(("mqtt://", "mqtts://")):
        raise ConfigError(f"{where}: mqtt.url is no broker's address", "Use mqtts://host[:port].")


def _known(table: dict[str, object], name: str, known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{where}: there is no setting {name}.{key}", "There are: " + ", ".join(known) + "."
            )
