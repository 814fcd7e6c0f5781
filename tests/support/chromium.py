"""A real browser, Debian's Chromium, driven by Playwright; it reaches nothing but this machine.

    with chromium() as browser, open_page(browser, phone=True) as page:
        page.goto(verification_uri)

Playwright's synchronous interface keeps an event loop running in the calling thread while `chromium()` is
open: asyncio.run() must wait until it is closed, or run in another thread.
"""

import base64
import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, Page, sync_playwright
from support.missing import missing

TIMEOUT_MS = 30_000

_ARGUMENTS = (
    "--no-sandbox",  # root, as in containers, cannot have Chromium's sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-proxy-server",
    # The last word on outside names: none of them resolves, whichever part of Chromium asks, fonts that
    # oidc-provider's pages import among them.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE ::1",
)


@contextlib.contextmanager
def chromium(*, trusted: str | Path | None = None, ignore_https_errors: bool = False) -> Iterator[Browser]:
    """A fresh headless Chromium with empty user data; skips the test where there is none.

    `trusted` is a PEM file with the one server certificate to accept although no public authority signed it
    (pinned by its key, so that any other certificate still fails); `ignore_https_errors` accepts them all.
    """
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        missing("chromium is not installed, so there is no browser to test with")
    arguments = list(_ARGUMENTS)
    if trusted is not None:
        arguments.append(f"--ignore-certificate-errors-spki-list={_key_pin(Path(trusted))}")
    if ignore_https_errors:
        arguments.append("--ignore-certificate-errors")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments, headless=True)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(browser: Browser, *, phone: bool = False, javascript: bool = True) -> Iterator[Page]:
    """A page in a context of its own (no cookies yet), sized like a desktop's window or a phone's screen."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844} if phone else {"width": 1280, "height": 800},
        device_scale_factor=2 if phone else 1,
        is_mobile=phone,
        has_touch=phone,
        java_script_enabled=javascript,
        service_workers="block",
    )
    context.set_default_timeout(TIMEOUT_MS)
    try:
        yield context.new_page()
    finally:
        context.close()


def _key_pin(certificate: Path) -> str:
    """Base64 of the SHA-256 of a certificate's SubjectPublicKeyInfo, as in RFC 7469 section 2.4."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode()
