"""What is wrong with the two grants that OAuth has given up, for whoever comes with an old recipe."""

from .core.errors import ConfigError


def refuse(grant: object, where: str) -> None:
    """Raise ConfigError if `grant` is one of the two; `where` it stands, for the message."""
    if grant == "implicit":
        raise ConfigError(
            where
            + ": the implicit grant puts the access token into an address, where others read it: it must not "
            + "be used (RFC 9700 section 2.1.2)",
            "Set oauth.grant to authorization_code or device_code.",
        )
    if grant == "password":
        raise ConfigError(
            where
            + ": the password grant hands a person's password to the device: it must not be used "
            + "(RFC 9700 section 2.4)",
            "Set oauth.grant to device_code, or to client_credentials for an account of the device's own.",
        )
