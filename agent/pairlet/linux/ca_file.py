"""A CA file that somebody names, looked at before anything begins."""

import os

from ..core.errors import ConfigError


def check_ca_file(path: str) -> None:
    """ConfigError unless `path` is a folder, or a file with something in PEM form: OpenSSL looks closer."""
    reason = ""
    try:
        if os.path.isdir(path):
            return
        with open(path, "rb") as file:
            if b"-----BEGIN " not in file.read():
                reason = "holds no certificate in PEM form"
    except (OSError, ValueError) as error:
        reason = "can't be read: " + (getattr(error, "strerror", None) or "it is no path")
    if reason:
        raise no_certificate("the CA file", path, reason)


def no_certificate(said_by: str, path: str, reason: str) -> ConfigError:
    """The error for a `path` to CAs of no use. `said_by`: who named it."""
    return ConfigError(
        f"{said_by} {ascii(path)} {reason}",
        "Name a PEM file that holds the certificate of the CA (it begins with BEGIN CERTIFICATE).",
    )
