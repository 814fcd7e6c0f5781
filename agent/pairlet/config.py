"""Every setting, its kind, its default and what it means, in one place.

The same table reads pairlet.toml on Linux and config.json on a board; both arrive here as a dict.
"""

from collections import namedtuple

from .core import url
from .core.errors import ConfigError
from .core.text import is_clean
from .settings import Settings

TEXT = "text"
ADDRESS = "address"  # of an https endpoint
INTEGER = "whole number"
DURATION = "duration"  # "90s", "5m", "2h", "1d" or a number of seconds; kept in ms
AGE = "duration of up to ten years"
FLUSH = "duration, number of records or both"  # "120s", "500 records" or "120s, 500 records"
FLAG = "true or false"
TEXTS = "list of texts"
TOPIC = "topic name without + and #"
TABLE = "table of texts"
TREE = "table"
COMMAND = "auto, none, or a command as a list of texts"
RESOURCES = "absolute URI without a fragment, or a list of them"

Setting = namedtuple("Setting", ("kind", "default", "meaning"))

SETTINGS = {
    "oauth.issuer": Setting(ADDRESS, None, "the authorization server, as it calls itself"),
    "oauth.device_authorization_endpoint": Setting(ADDRESS, None, "wins over the server's metadata"),
    "oauth.authorization_endpoint": Setting(ADDRESS, None, "wins over the server's metadata"),
    "oauth.token_endpoint": Setting(ADDRESS, None, "wins over the server's metadata"),
    "oauth.revocation_endpoint": Setting(ADDRESS, None, "wins over the server's metadata"),
    "oauth.introspection_endpoint": Setting(ADDRESS, None, "wins over the server's metadata"),
    "oauth.provider": Setting(TEXT, None, "its profile: a name, or a file"),
    "oauth.provider_values": Setting(TABLE, None, "what the profile leaves open"),
    "oauth.dialect": Setting(TREE, None, "how it bends the RFCs"),
    "oauth.client_id": Setting(TEXT, None, "who this kind of device is to the server"),
    "oauth.client_secret_file": Setting(TEXT, None, "a file that holds the client secret, and nothing else"),
    "oauth.client_secret_credential": Setting(TEXT, None, "a systemd credential with it"),
    "oauth.client_secret_env": Setting(TEXT, None, "an environment variable with it"),
    "oauth.client_auth": Setting(TEXT, None, "as the client is registered"),
    "oauth.client_key_file": Setting(TEXT, None, "the client's private key, PEM or JWK"),
    "oauth.client_key_credential": Setting(TEXT, None, "as client_secret_credential"),
    "oauth.client_key_env": Setting(TEXT, None, "as client_secret_env"),
    "oauth.client_key_id": Setting(TEXT, None, "its kid"),
    "oauth.client_certificate_file": Setting(TEXT, None, "PEM"),
    "oauth.token_endpoint_auth_signing_alg": Setting(TEXT, None, "such as ES256"),
    "oauth.assertion_audience": Setting(TEXT, None, "the issuer unless set"),
    "oauth.dpop": Setting(FLAG, False, "bind tokens to a key of this device (RFC 9449)"),
    "oauth.grant": Setting(TEXT, "device_code", "how the device gets its token"),
    "oauth.scope": Setting(TEXT, "", "what to ask for, separated by spaces"),
    "oauth.resource": Setting(RESOURCES, None, "what the token is for (RFC 8707)"),
    "oauth.audience": Setting(TEXT, None, "the same for servers that call it so"),
    "oauth.extra": Setting(TABLE, None, "further parameters of the first request"),
    "oauth.token_extra": Setting(TABLE, None, "further parameters of each token request"),
    "oauth.redirect_uri": Setting(TEXT, None, "where a browser brings the answer"),
    "oauth.browser": Setting(COMMAND, "auto", "auto, none, or a command"),
    "oauth.ca_file": Setting(TEXT, None, "trust these certificates (PEM) instead of the system's"),
    "oauth.insecure_http": Setting(FLAG, False, "allow plain http and mqtt on loopback"),
    "mqtt.url": Setting(TEXT, None, "the broker: mqtts://host[:port]; none: no telemetry"),
    "mqtt.client_id": Setting(TEXT, None, "the device_id unless set"),
    "mqtt.profile": Setting(TEXT, None, "which broker it is; agent/README.md lists them"),
    "mqtt.token_in": Setting(TEXT, None, "password, username or enhanced; the profile's unless set"),
    "mqtt.auth_method": Setting(TEXT, None, "for enhanced: what the broker calls its method"),
    "mqtt.authorizer": Setting(TEXT, None, "the name of the custom authorizer (AWS)"),
    "mqtt.version": Setting(TEXT, "auto", "auto, 5 or 3.1.1"),
    "mqtt.username": Setting(TEXT, None, "with {device_id} and {client_id}; the profile's unless set"),
    "mqtt.topic_prefix": Setting(TOPIC, "devices/{device_id}", "what all topic names begin with"),
    "mqtt.keep_alive": Setting(DURATION, 60000, "how long the connection may be silent"),
    "mqtt.unacknowledged": Setting(DURATION, 15000, "how long a message may go without acknowledgement"),
    "mqtt.session_expiry": Setting(DURATION, 3600000, "how long the broker keeps the session (MQTT 5)"),
    "mqtt.echo_check": Setting(INTEGER, 0, "every so many samples, check that one comes back; 0: never"),
    "mqtt.ca_file": Setting(TEXT, None, "as oauth.ca_file, for the broker; that one's unless set"),
    "telemetry.interval": Setting(DURATION, 10000, "how often to measure"),
    "telemetry.sensors": Setting(TEXTS, None, "which values; all there are unless set"),
    "telemetry.buffer_bytes": Setting(INTEGER, 16777216, "how much may wait for the broker"),
    "telemetry.buffer_age": Setting(AGE, 30 * 86400000, "how long it may wait"),
    "telemetry.flush": Setting(FLUSH, [120000, 500], "when to write what waits to the disk"),
    "telemetry.replay_rate": Setting(INTEGER, 500, "old samples to send a second, 0: as many as it takes"),
    "commands.allow": Setting(
        TEXTS, ["ping", "report-now", "set-interval"], "which commands from the broker to obey"
    ),
    "commands.handlers": Setting(TEXTS, None, "commands of your own, as module:function"),
    "commands.timeout": Setting(DURATION, 30000, "how long a handler may take"),
    "homeassistant.discovery": Setting(FLAG, False, "tell Home Assistant about this device"),
    "homeassistant.prefix": Setting(TOPIC, "homeassistant", "Home Assistant's discovery prefix"),
    "homeassistant.status_topic": Setting(
        TOPIC, None, "where it says online; its prefix and /status unless set"
    ),
    "display.name": Setting(TEXT, "auto", "auto, terminal, plain, serial or none"),
    "display.port": Setting(TEXT, None, "the serial display's port, such as /dev/ttyUSB0"),
    "display.baudrate": Setting(INTEGER, 115200, "the serial display's speed"),
    "pairing.start": Setting(TEXT, "always", "always, or prompt: wait for a person first"),
    "pairing.codes": Setting(INTEGER, 3, "how many codes to show unattended before waiting for a person"),
    "pairing.renew": Setting(FLAG, True, "false: when a pairing has ended, wait for a person first"),
    "pairing.timeout": Setting(DURATION, 600000, "how long a sign-in in a browser here may take"),
    "pairing.announce": Setting(FLAG, True, "tell the server device_id and device_name"),
    "pairing.device_id": Setting(TEXT, None, "made up once and kept unless set"),
    "pairing.device_name": Setting(TEXT, None, "what the person sees; the host name unless set"),
    "health.listen": Setting(TEXT, None, "127.0.0.1:PORT or a Unix socket, for health and metrics"),
    "token_agent.socket": Setting(TEXT, None, "a Unix socket"),
    "token_agent.mode": Setting(TEXT, None, "its mode"),
    "token_agent.group": Setting(TEXT, None, "its group"),
    "store.dir": Setting(TEXT, None, "where tokens are kept"),
}

CHOICES = {
    "oauth.grant": ("device_code", "authorization_code", "client_credentials"),
    "mqtt.version": ("auto", "5", "3.1.1"),
    "mqtt.token_in": ("password", "username", "enhanced"),
    "pairing.start": ("always", "prompt"),
}

# What a list may hold.
_MEMBERS = {
    "commands.allow": ("ping", "re-pair", "report-now", "restart", "set-interval", "unpair"),
}

_LOWEST = {
    "mqtt.keep_alive": 5000,
    "mqtt.unacknowledged": 2000,
    "mqtt.session_expiry": 1000,
    "telemetry.interval": 100,
    "pairing.timeout": 10000,
    "telemetry.buffer_bytes": 1024,
    "telemetry.buffer_age": 60000,
    "commands.timeout": 100,
    "display.baudrate": 300,
    "pairing.codes": 1,
}

_HIGHEST = {"mqtt.keep_alive": 65535000}  # CONNECT has 16 bits for its seconds

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}
_LONGEST_MS = 7 * 86400000
_OLDEST_MS = 3653 * 86400000
_MOST_RECORDS = 1 << 30


class Config(Settings):
    """Settings that were checked, defaults included. Build it with `Config.from_tables`.

    `given`: those among them that are no defaults.
    """

    def __init__(self, values: "dict[str, object]"):
        every: dict[str, object] = {name: SETTINGS[name].default for name in SETTINGS}
        every.update(values)
        super().__init__(every)
        self.given = values

    @staticmethod
    def from_tables(tables: "dict[str, object]", where: str) -> "Config":
        """Check `tables` (table to key to value) that came from `where` (a file's name, for messages).

        Raises ConfigError that names the key, what is wrong, and for an unknown one the nearest right one.
        """
        values: dict[str, object] = {}
        for table, keys in tables.items():
            if not isinstance(keys, dict) or not any(name.startswith(table + ".") for name in SETTINGS):
                raise _unknown(table, [name.partition(".")[0] for name in SETTINGS], where)
            for key, value in keys.items():
                name = f"{table}.{key}"
                if name not in SETTINGS:
                    raise _unknown(name, list(SETTINGS), where)
                values[name] = _checked(name, value, where)
        return Config(values)

    def with_text(self, name: str, text: str, where: str) -> "Config":
        """A copy with `name` set from text, as the command line gives it. Raises ConfigError."""
        if name not in SETTINGS:
            raise _unknown(name, list(SETTINGS), where)
        from .setting_text import from_text  # never on a board, where there is no command line

        changed = dict(self.given)
        changed[name] = _checked(name, from_text(SETTINGS[name].kind, text), where)
        return Config(changed)


def _checked(name: str, value: object, where: str) -> object:
    """`value` as it is kept, or ConfigError."""
    setting = SETTINGS[name]
    kept = _KINDS[setting.kind](value)
    if kept is None:
        advice = f"It takes a {setting.kind}: {setting.meaning}."
        if setting.kind == ADDRESS:
            advice = "It takes an absolute https address, such as https://auth.example.com."
        elif setting.kind in (DURATION, AGE):
            advice = 'It takes a duration such as "10s", "5m" or a number of seconds.'
        elif setting.kind == FLUSH:
            advice = 'It takes a duration, a number of records or both, such as "120s, 500 records".'
        raise ConfigError(f"{where}: {name} can't be used as it is", advice)
    choices = CHOICES.get(name)
    if choices and kept not in choices:
        if name == "oauth.grant":
            try:
                from .refused_grants import refuse
            except ImportError:
                pass  # a board, which has the device grant alone
            else:
                refuse(kept, where)
        raise ConfigError(f"{where}: {name} is '{kept}'", "Use one of: " + ", ".join(choices) + ".")
    if name in _MEMBERS and isinstance(kept, list):
        for member in kept:
            if member not in _MEMBERS[name]:
                raise _unknown_member(name, member, where)
    lowest = _LOWEST.get(name)
    if lowest is not None and isinstance(kept, int) and kept < lowest:
        least = f"{lowest / 1000:g} s" if setting.kind in (DURATION, AGE) else str(lowest)
        raise ConfigError(f"{where}: {name} is too small", f"Use at least {least}.")
    if name in _HIGHEST and isinstance(kept, int) and kept > _HIGHEST[name]:
        raise ConfigError(f"{where}: {name} is too large", f"Use at most {_HIGHEST[name] // 1000} s.")
    return kept


def _text(value: object) -> object:
    # A version written as a number is what people write: version = 5.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() and is_clean(value) else None


def _scope_or_text(value: object) -> object:
    return value if value == "" else _text(value)


def _topic(value: object) -> object:
    """A topic name that others are made of, or that is subscribed to (MQTT 5 section 4.7)."""
    text = _text(value)
    if not isinstance(text, str) or not text.strip("/") or "+" in text or "#" in text or text[0] == "$":
        return None
    return text


def _address(value: object) -> object:
    return value if url.split(value) is not None else None


def _integer(value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _flag(value: object) -> object:
    return value if isinstance(value, bool) else None


def _texts(value: object) -> object:
    if isinstance(value, list) and all(isinstance(part, str) and part for part in value):
        return value
    return None


def _resources(value: object) -> object:
    """As a list; RFC 8707 section 2 wants absolute URIs (RFC 3986 section 4.3) without a fragment."""
    given = value if isinstance(value, list) else [value]
    return given if given and all(url.is_absolute_uri(part) for part in given) else None


def _command(value: object) -> object:
    return value if value in ("auto", "none") or value and _texts(value) else None


def _table(value: object) -> object:
    if isinstance(value, dict) and all(isinstance(part, str) and is_clean(part) for part in value.values()):
        return value
    return None


def _tree(value: object) -> object:
    return value if isinstance(value, dict) else None


def _flush(value: object) -> object:
    """[ms, records] from one of them or both; what is left out is the other's largest."""
    if isinstance(value, list):
        return value if len(value) == 2 and all(isinstance(part, int) for part in value) else None
    if not isinstance(value, str):
        duration = _duration(value)
        return None if duration is None else [duration, _MOST_RECORDS]
    found: dict[str, int] = {}
    for part in value.split(","):
        words = part.split()
        if len(words) == 2 and words[1] in ("records", "record"):
            records = words[0]
            known = 0 < len(records) <= 9 and all(digit in "0123456789" for digit in records)
            kind, number = "records", int(records) if known else None
        else:
            duration = _duration(part.strip())
            kind, number = "ms", duration if isinstance(duration, int) else None
        if kind in found or not number:
            return None
        found[kind] = number
    return [found.get("ms", _LONGEST_MS), found.get("records", _MOST_RECORDS)]


def _age(value: object) -> object:
    return _at_most(value, _OLDEST_MS)


def _duration(value: object) -> object:
    return _at_most(value, _LONGEST_MS)


def _at_most(value: object, longest_ms: int) -> object:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        milliseconds = value * 1000
    else:
        parsed = _parse_duration(value)
        if parsed is None:
            return None
        milliseconds = parsed
    return int(milliseconds) if 0 < milliseconds <= longest_ms else None


def _parse_duration(value: object) -> "float | int | None":
    if not isinstance(value, str):
        return None
    text = value.strip().lower()
    digits = len(text)
    while digits and text[digits - 1] not in "0123456789":
        digits -= 1
    unit = text[digits:].strip() or "s"
    number = text[:digits]
    if unit not in _UNITS_MS or not 0 < len(number) <= 12:
        return None
    try:
        return float(number) * _UNITS_MS[unit] if "." in number else int(number) * _UNITS_MS[unit]
    except ValueError:
        return None


_KINDS = {
    TEXT: _scope_or_text,
    ADDRESS: _address,
    INTEGER: _integer,
    DURATION: _duration,
    AGE: _age,
    FLUSH: _flush,
    FLAG: _flag,
    TEXTS: _texts,
    TABLE: _table,
    TOPIC: _topic,
    TREE: _tree,
    RESOURCES: _resources,
    COMMAND: _command,
}


def _unknown(name: str, known: "list[str]", where: str) -> ConfigError:
    best = nearest(name, known)
    advice = f"Did you mean {best}?" if best else "README.md and agent/README.md list what there is."
    return ConfigError(f"{where}: there is no setting '{name}'", advice)


def _unknown_member(name: str, member: str, where: str) -> ConfigError:
    best = nearest(member, list(_MEMBERS[name]))
    advice = f"Did you mean {best}?" if best else "Use some of: " + ", ".join(_MEMBERS[name]) + "."
    return ConfigError(f"{where}: {name} holds '{member}'", advice)


def nearest(word: str, known: "list[str]") -> "str | None":
    """The entry of `known` that a typing mistake is most likely to have meant, or None."""
    best, best_distance = None, 1 + max(2, len(word) // 3)
    for candidate in known:
        distance = _distance(word, candidate)
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def _distance(one: str, other: str) -> int:
    """How many characters to insert, delete or replace to get from one word to the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for index, left in enumerate(one):
        previous, row[0] = row[0], index + 1
        for place, right in enumerate(other):
            previous, row[place + 1] = (
                row[place + 1],
                min(row[place + 1] + 1, row[place] + 1, previous + (left != right)),
            )
    return row[-1]
