"""What requests say beyond what their grant needs: who asks, for whom the token is, what is configured."""

from .core.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device
    from .settings import Settings

    PairList = list[tuple[str, str | None]]

# What requests carry anyway, or never may (RFC 6749 sections 3.1 and 3.2: a parameter must not repeat). One
# text with a space around each: on a board twenty texts take more room.
_OWN = (
    " client_id client_secret client_assertion client_assertion_type code code_challenge code_verifier "
    "code_challenge_method device_code device_id device_name dpop_jkt grant_type nonce password redirect_uri "
    "refresh_token response_type scope state username "
)


def of_keeper(config: "Settings") -> "tuple[PairList, PairList | None]":
    """What token requests say beyond their grant; with what one in the device's own name is made, or None.

    Raises ConfigError.
    """
    if config.text("oauth.grant") == "client_credentials":
        from .own_name import of_own_name

        return [], of_own_name(config)
    return of_token_requests(config), None


def of_token_requests(config: "Settings") -> "PairList":
    """For each token request of any grant: `resource` (RFC 8707 section 2.2), `audience`, and what
    oauth.token_extra adds. Raises ConfigError."""
    return _whose(config) + configured(config, "oauth.token_extra")


def of_first_request(config: "Settings", device: "Device") -> "PairList":
    """For the request that a person decides about: who asks, for whom the token is (RFC 8707 section 2.1),
    and what oauth.extra adds. Raises ConfigError.

    Who asks is for the person who approves (RFC 8628 section 5.4).
    """
    pairs: PairList = []
    if config.flag("pairing.announce"):
        pairs = [("device_id", device.device_id), ("device_name", device.name)]
    return pairs + _whose(config) + configured(config, "oauth.extra")


def _whose(config: "Settings") -> "PairList":
    pairs: PairList = [("resource", resource) for resource in config.texts("oauth.resource") or []]
    if config.text("oauth.audience"):
        pairs.append(("audience", config.text("oauth.audience")))
    return pairs


def configured(config: "Settings", name: str) -> "PairList":
    """The table `name` of the configuration. Raises ConfigError for a parameter that is sent anyway."""
    pairs = config.pairs(name)
    # `audience` was one of oauth.extra before it had a setting, and still may be.
    taken = [key for key, _ in _whose(config)]
    for key, _ in pairs:
        if key in taken or f" {key} " in _OWN:
            raise ConfigError(
                f"{name} repeats the parameter {key}",
                "A parameter must not be sent twice; use the setting made for it.",
            )
    return pairs
