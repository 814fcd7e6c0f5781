"""A person pairs a device: code and QR on the device's screen, a phone's browser on our server's pages."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qrcode
import requests
from pairlet_sim.authserver import Client, Person
from playwright.sync_api import Browser, Page
from support.authserver_thread import RunningServer, authserver
from support.certificates import CertificateAuthority
from support.chromium import chromium, open_page
from support.person_in_browser import approve_in_browser
from support.qr_reader import read_qr

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
USERNAME, PASSWORD = "ada", "correct horse"
PEOPLE = [Person(USERNAME, PASSWORD, "Ada Lovelace")]
CLIENTS = [Client("living-room-tv", name="Living room TV")]


class Device:
    """The device's side of RFC 8628 by hand: `code` is the device authorization response."""

    def __init__(self, running: RunningServer, verify: bool | str = True):
        self._clock = running.clock
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = verify
        # A connection kept alive would still be open when the server's event loop ends.
        self._session.headers["Connection"] = "close"
        address = f"{running.issuer}/.well-known/oauth-authorization-server"
        self._metadata = self._session.get(address, timeout=30).json()
        answer = self._post("device_authorization_endpoint", device_name="Kitchen display")
        assert answer.status_code == 200, answer.text
        self.code: dict[str, Any] = answer.json()

    def _post(self, endpoint: str, **form: str) -> requests.Response:
        form["client_id"] = "living-room-tv"
        return self._session.post(self._metadata[endpoint], data=form, timeout=30)

    def poll(self) -> dict[str, Any]:
        """One device access token request, an interval after the last one."""
        self._clock.advance(self.code["interval"] + 1)
        answer = self._post("token_endpoint", grant_type=DEVICE_CODE, device_code=self.code["device_code"])
        return dict(answer.json())


@pytest.fixture
def running() -> Iterator[RunningServer]:
    """Our authorization server."""
    with authserver(PEOPLE, CLIENTS) as server:
        yield server


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A fresh Chromium."""
    with chromium() as started:
        yield started


def scan(browser: Browser, device: Device, folder: Path) -> str:
    """Show the device's screen in a window, take a picture of it, and read the QR code in the picture."""
    code = qrcode.QRCode(border=4)
    code.add_data(device.code["verification_uri_complete"])
    drawn = io.BytesIO()
    code.make_image().save(drawn)
    source = base64.b64encode(drawn.getvalue()).decode()
    picture = folder / "device.png"
    with open_page(browser) as screen:
        user_code = device.code["user_code"]
        screen.set_content(f'<h1>{user_code}</h1><img alt="" src="data:image/png;base64,{source}">')
        screen.screenshot(path=picture)
    found = read_qr(picture)
    assert len(found) == 1
    return found[0]


def fits_a_phone(page: Page) -> None:
    """A `look`: nothing sticks out to the right, and every control is large enough for a finger."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for control in page.locator("button:visible, input:visible, a:visible").all():
        box = control.bounding_box()
        # 44 CSS pixels: WCAG 2.2 success criterion 2.5.5.
        assert box is not None and box["height"] >= 44, control.inner_text()


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no_javascript"])
def test_scan_sign_in_approve(
    running: RunningServer, browser: Browser, tmp_path: Path, javascript: bool
) -> None:
    device = Device(running)
    address = scan(browser, device, tmp_path)
    assert device.poll()["error"] == "authorization_pending"
    complaints: list[str] = []
    with open_page(browser, phone=True, javascript=javascript) as page:
        page.on("console", lambda message: complaints.append(f"{message.text} {message.location['url']}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        seen = approve_in_browser(page, address, USERNAME, PASSWORD, look=fits_a_phone)
    assert "Paired" in seen[-1]
    # RFC 8628 section 3.3.1: who came by QR code is asked to compare the code.
    assert any(device.code["user_code"] in text and "on your device?" in text for text in seen)
    assert any("Kitchen display" in text and "Living room TV" in text for text in seen)
    # Browsers ask for this one unbidden; everything else on the console is our pages' fault.
    assert [each for each in complaints if not each.endswith("/favicon.ico")] == []
    tokens = device.poll()
    assert tokens["token_type"].lower() == "bearer" and tokens["access_token"] and tokens["refresh_token"]
    assert [pairing.subject for pairing in running.server.pairings()] == [USERNAME]


def test_type_the_code_by_hand_as_people_do(running: RunningServer, browser: Browser) -> None:
    device = Device(running)
    sloppy = device.code["user_code"].replace("-", " ").lower()
    address = device.code["verification_uri"]
    with open_page(browser, phone=True) as page:
        seen = approve_in_browser(page, address, USERNAME, PASSWORD, user_code=sloppy, look=fits_a_phone)
    assert "Paired" in seen[-1]
    assert device.poll()["access_token"]


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no_javascript"])
def test_deny(running: RunningServer, browser: Browser, tmp_path: Path, javascript: bool) -> None:
    device = Device(running)
    address = scan(browser, device, tmp_path)
    with open_page(browser, phone=True, javascript=javascript) as page:
        seen = approve_in_browser(page, address, USERNAME, PASSWORD, "deny", look=fits_a_phone)
    assert "Denied" in seen[-1]
    assert device.poll()["error"] == "access_denied"
    assert running.server.pairings() == []


def test_a_wrong_code_is_refused_and_the_right_one_still_works(
    running: RunningServer, browser: Browser
) -> None:
    device = Device(running)
    wrong = "BBBB-BBBB" if device.code["user_code"] != "BBBB-BBBB" else "CCCC-CCCC"
    address = device.code["verification_uri"]
    with open_page(browser, phone=True) as page:
        seen = approve_in_browser(page, address, USERNAME, PASSWORD, user_code=wrong, look=fits_a_phone)
        assert "No device is waiting" in seen[-1]
        assert device.poll()["error"] == "authorization_pending"
        # Signed in by now: the way is shorter.
        again = approve_in_browser(page, address, "nobody", "x", user_code=device.code["user_code"])
    assert "Paired" in again[-1] and not any("Password" in text for text in again)
    assert device.poll()["access_token"]


def test_a_wrong_password_pairs_nobody(running: RunningServer, browser: Browser) -> None:
    device = Device(running)
    with open_page(browser, phone=True) as page:
        address = device.code["verification_uri_complete"]
        seen = approve_in_browser(page, address, USERNAME, "wrong", look=fits_a_phone)
    assert "don't belong together" in seen[-1] and len(seen) == 2
    assert device.poll()["error"] == "authorization_pending"


def test_a_code_that_runs_out_while_the_person_reads(running: RunningServer, browser: Browser) -> None:
    device = Device(running)

    def dawdle(page: Page) -> None:
        if page.get_by_role("button", name="Deny").count():
            running.clock.advance(device.code["expires_in"] + 1)

    with open_page(browser, phone=True) as page:
        address = device.code["verification_uri_complete"]
        seen = approve_in_browser(page, address, USERNAME, PASSWORD, look=dawdle)
    assert "Too late" in seen[-1]
    assert device.poll()["error"] == "expired_token"


def test_over_https(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    ca_file = authority.write(tmp_path / "ca.pem")
    tls = authority.issue().write(tmp_path)
    with authserver(PEOPLE, CLIENTS, tls=tls) as running, chromium(trusted=tls[0]) as browser:
        device = Device(running, verify=ca_file)
        address = scan(browser, device, tmp_path)
        assert address.startswith("https://")
        with open_page(browser, phone=True) as page:
            assert "Paired" in approve_in_browser(page, address, USERNAME, PASSWORD)[-1]
            # A cookie that a plain page could read would give the session away.
            assert all(cookie["secure"] and cookie["httpOnly"] for cookie in page.context.cookies())
            assert page.context.cookies()
        assert device.poll()["access_token"]
