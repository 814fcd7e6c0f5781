"""Which grant fits which device: the usual decision table, as data."""

from typing import NamedTuple

DEVICE_CODE, AUTHORIZATION_CODE, CLIENT_CREDENTIALS = (
    "device_code",
    "authorization_code",
    "client_credentials",
)
PERSON, DEVICE = "person", "device"


class Case(NamedTuple):
    """`kind` of program or device; whom it `acts_for`: PERSON or DEVICE; `browser`: whether there is one on
    it, with a way to type (None: that changes nothing); the `grant` that fits."""

    kind: str
    acts_for: str
    browser: bool | None
    grant: str


TABLE = (
    Case("TV, picture frame, appliance", PERSON, False, DEVICE_CODE),
    Case("command line over SSH, machine without a screen", PERSON, False, DEVICE_CODE),
    Case("kiosk with a touch screen", PERSON, True, AUTHORIZATION_CODE),
    Case("native program on a desktop", PERSON, True, AUTHORIZATION_CODE),
    Case("web application, single-page application", PERSON, True, AUTHORIZATION_CODE),
    Case("sensor, gateway, machine to machine", DEVICE, None, CLIENT_CREDENTIALS),
)

# In two lines of a terminal.
REASONS = {
    DEVICE_CODE: (
        "The device shows a code, and a person approves it in a browser elsewhere",
        "(RFC 8628): no keyboard, browser or secret is needed on the device itself.",
    ),
    AUTHORIZATION_CODE: (
        "A person signs in with the browser of this device (RFC 8252). PKCE sees to it",
        "that what the browser brings back is of no use to any other program.",
    ),
    CLIENT_CREDENTIALS: (
        "There is no person to ask: the device proves who it is with a secret or a key",
        "(RFC 6749 section 4.4), and gets tokens in its own name.",
    ),
}


def fitting(acts_for: str, browser: bool | None) -> str:
    """The grant for whoever acts for a person or as itself, with a browser of its own or without."""
    for case in TABLE:
        if case.acts_for == acts_for and case.browser in (None, browser):
            return case.grant
    raise ValueError("the table has no such case")


def whom_for(grant: str) -> str:
    """PERSON or DEVICE."""
    return next(case.acts_for for case in TABLE if case.grant == grant)


def contradiction(grant: str, acts_for: str | None, browser: bool | None) -> str:
    """Why `grant` can't be had together with what else was said (None: nothing was); "" if it can."""
    if acts_for is not None and acts_for != whom_for(grant):
        whom = {PERSON: "asks a person", DEVICE: "has no person to ask"}[whom_for(grant)]
        return f"{grant} {whom}, and the device acts for {_WHOM[acts_for]}"
    if grant == AUTHORIZATION_CODE and browser is False:
        return f"{grant} takes a browser on the device, and there is none"
    return ""


_WHOM = {PERSON: "a person", DEVICE: "itself"}
