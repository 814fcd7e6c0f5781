"""What has been chosen so far, and pairlet.toml made of it."""

from collections.abc import Mapping, Sequence

from ...core.text import clean
from ..providers import Profile
from .grants import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REASONS

Value = str | bool | int | list[str] | dict[str, str]

_HEAD = (
    "How this device gets its token, and where its telemetry goes. Written by `pairlet init`.",
    "README.md and agent/README.md describe all settings there are; `pairlet doctor` tries these.",
)
# In this order they stand in the file; what is not here comes after them.
_WORDS = {
    "oauth.grant": "How the device gets its token.",
    "oauth.provider": "The provider, whose profile knows its addresses and what is peculiar about it.",
    "oauth.provider_values": "What the profile leaves open.",
    "oauth.issuer": "The authorization server, exactly as it calls itself; its metadata says the rest.",
    "oauth.client_id": "Who this kind of device is to the server, as it was registered there.",
    "oauth.client_auth": "How the client proves who it is, as it is registered.",
    "oauth.client_secret_file": "The file with the client secret and nothing else, from this file's folder.",
    "oauth.client_secret_credential": "The systemd credential with the client secret (LoadCredential=).",
    "oauth.client_secret_env": "The environment variable with the client secret.",
    "oauth.client_key_file": "The file with the client's private key, PEM or JWK; takes the extra `keys`.",
    "oauth.scope": "What to ask for, separated by spaces.",
    "oauth.ca_file": "Trust these certificates (PEM) instead of the system's.",
    "oauth.insecure_http": "Plain http and mqtt, to this very machine alone: for trying things out.",
    "mqtt.url": "The broker that the telemetry goes to, with the access token as password.",
    "mqtt.profile": "Which broker it is.",
    "mqtt.authorizer": "The name of the custom authorizer.",
}
_TABLES = ("oauth", "mqtt", "telemetry", "display")


class Draft:
    """`values`: settings by name. `profile`: the provider's, or None. `acts_for` and `browser`: what was
    said of the device, None where nobody said. `checked`: whether the server's metadata was looked at.
    `notes`: what does not fit, a sentence or two each."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.profile: Profile | None = None
        self.acts_for: str | None = None
        self.browser: bool | None = None
        self.checked = False
        self.notes: list[str] = []

    @property
    def grant(self) -> str:
        """How the device gets its token."""
        return str(self.values["oauth.grant"])

    def text(self, name: str) -> str:
        """A text, "" where there is none."""
        return str(self.values.get(name, ""))

    def put(self, name: str, value: Value | None) -> None:
        """Set it; nothing and an empty text unset it."""
        if value is None or value in ("", {}):
            self.values.pop(name, None)
        else:
            self.values[name] = value


def text_of(draft: Draft, meanings: Mapping[str, str]) -> str:
    """The file: each setting below a comment that says what it is. `meanings`: of settings that have no words
    here."""
    names = sorted(draft.values, key=_place)
    tables = list(dict.fromkeys([*_TABLES, *(name.partition(".")[0] for name in names)]))
    lines = [f"# {line}" for line in _HEAD]
    for table in tables:
        lines += ["", f"[{table}]"]
        paragraphs = []
        for name in names:
            if name.startswith(table + "."):
                paragraphs.append(_comment(name, draft, meanings) + [_assignment(name, draft.values[name])])
        for words, line in _HINTS.get(table, _no_hints)(draft):
            if f"{table}.{line.partition(' = ')[0]}" not in draft.values:
                paragraphs.append([f"# {words}", f"# {line}"])
        for number, paragraph in enumerate(paragraphs):
            lines += ["", *paragraph] if number else paragraph
    return "\n".join(lines) + "\n"


def _place(name: str) -> int:
    known = list(_WORDS)
    return known.index(name) if name in known else len(known)


def _comment(name: str, draft: Draft, meanings: Mapping[str, str]) -> list[str]:
    if name == "oauth.grant":
        return [f"# {line}" for line in (_WORDS[name], *REASONS.get(draft.grant, ()))]
    if name == "oauth.provider" and draft.profile is not None:
        return [
            f"# {clean(draft.profile.name)}: the profile knows its addresses and what is peculiar about it."
        ]
    words = clean(meanings.get(name, ""))
    return [f"# {_WORDS.get(name) or words[:1].upper() + words[1:] + '.'}"]


# ---- what might be set besides, as comments ----

_Hints = list[tuple[str, str]]


def _no_hints(draft: Draft) -> _Hints:
    return []


def _of_oauth(draft: Draft) -> _Hints:
    hints = []
    profile = draft.profile
    if profile is not None:
        values = {name: value for name, value in profile.values.items() if "{" not in value}
        if values:
            line = _assignment("oauth.provider_values", values)
            hints.append(
                ("What the profile leaves open has these defaults: for a server of one's own, say.", line)
            )
    elif draft.grant != CLIENT_CREDENTIALS:
        hints.append(("What to ask for, separated by spaces.", 'scope = "openid offline_access"'))
    if draft.grant == AUTHORIZATION_CODE:
        line = 'browser = ["chromium", "--kiosk", "--app={uri}"]'
        hints.append(("The browser: the desktop's unless it is a command, or none.", line))
    return hints


def _of_mqtt(draft: Draft) -> _Hints:
    if "mqtt.url" in draft.values:
        return [("What all topic names begin with.", 'topic_prefix = "devices/{device_id}"')]
    words = "Without a broker the agent only keeps the token fresh. This is where telemetry would go:"
    return [(words, 'url = "mqtts://broker.example.com"')]


def _of_telemetry(draft: Draft) -> _Hints:
    return [
        ("How often to measure.", 'interval = "10s"'),
        ("Which values to send; all built-in ones unless set.", 'sensors = ["cpu", "memory"]'),
    ]


def _of_display(draft: Draft) -> _Hints:
    return [("Where code and QR code are shown: auto, terminal, plain, serial or none.", 'name = "auto"')]


_HINTS = {"oauth": _of_oauth, "mqtt": _of_mqtt, "telemetry": _of_telemetry, "display": _of_display}


# ---- TOML ----


def _assignment(name: str, value: Value) -> str:
    return f"{name.partition('.')[2]} = {written(value)}"


def written(value: Value | str) -> str:
    """`value` in TOML 1.0, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {quoted(text)}" for key, text in value.items()) + " }"
    assert isinstance(value, Sequence)
    return "[" + ", ".join(quoted(text) for text in value) + "]"


def quoted(text: str) -> str:
    """`text` as a basic string of TOML: whatever it holds, it is read back as it was."""
    pieces = []
    for character in text:
        if character in '"\\':
            pieces.append("\\" + character)
        elif ord(character) < 0x20 or ord(character) == 0x7F:
            pieces.append(f"\\u{ord(character):04X}")
        else:
            pieces.append(character)
    return '"' + "".join(pieces) + '"'


def _key(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else quoted(key)
