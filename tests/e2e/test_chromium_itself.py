"""The browser fixture is what it says: it runs, reaches only this machine, and doubts certificates."""

import base64
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import playwright.sync_api
import pytest
import qrcode
import requests
from PIL import Image
from support.certificates import CertificateAuthority
from support.chromium import chromium, open_page
from support.oidc_provider import OidcProvider
from support.person_in_browser import approve_in_browser
from support.qr_reader import read_qr


@pytest.fixture
def loopback() -> Iterator[str]:
    """Address of a page on this machine that says hello, and what runs it says too."""

    class Hello(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 (http.server names it)
            body = b"<p>hello</p><noscript>plain</noscript><script>document.write('scripted')</script>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep stderr for errors."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_it_opens_pages_of_this_machine_with_and_without_javascript(loopback: str) -> None:
    with chromium() as browser:
        with open_page(browser) as page:
            page.goto(loopback)
            assert "hello" in page.inner_text("body") and "scripted" in page.inner_text("body")
        with open_page(browser, phone=True, javascript=False) as page:
            page.goto(loopback)
            assert "plain" in page.inner_text("body") and "scripted" not in page.inner_text("body")
            assert page.viewport_size == {"width": 390, "height": 844}


def test_no_outside_name_resolves() -> None:
    with chromium() as browser, open_page(browser) as page:
        for address in ("http://outside.invalid/", "https://www.example.com/"):
            with pytest.raises(playwright.sync_api.Error, match="ERR_NAME_NOT_RESOLVED"):
                page.goto(address)


def test_an_unknown_certificate_is_refused_and_a_pinned_one_accepted(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    certificate, key = authority.issue().write(tmp_path)
    other, _ = authority.issue().write(tmp_path, "other")
    with OidcProvider(tmp_path, tls=(certificate, key)) as provider:
        address = f"{provider.issuer}/device"
        with (
            chromium(trusted=other) as browser,
            open_page(browser) as page,
            pytest.raises(playwright.sync_api.Error, match="ERR_CERT_AUTHORITY_INVALID"),
        ):
            page.goto(address)
        for settings in ({"trusted": certificate}, {"ignore_https_errors": True}):
            with chromium(**settings) as browser, open_page(browser) as page:
                page.goto(address)
                assert "Enter the code" in page.inner_text("body")


@pytest.mark.parametrize("inverted", [False, True])
def test_a_qr_code_survives_a_browser_and_a_screenshot(inverted: bool, tmp_path: Path) -> None:
    text = "http://127.0.0.1:8628/device?user_code=BCDF-GHJK"
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    ink, paper = ("white", "black") if inverted else ("black", "white")
    drawn = io.BytesIO()
    code.make_image(fill_color=ink, back_color=paper).save(drawn)
    source = base64.b64encode(drawn.getvalue()).decode()
    with chromium() as browser, open_page(browser) as page:
        page.set_content(f'<h1>Scan me</h1><img src="data:image/png;base64,{source}">')
        page.screenshot(path=tmp_path / "screen.png")
    assert read_qr(tmp_path / "screen.png") == [text]
    assert read_qr(Image.new("RGB", (200, 200), "white")) == []


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no_javascript"])
@pytest.mark.parametrize(("decision", "outcome"), [("approve", "Success"), ("deny", "interrupted")])
def test_a_person_walks_through_oidc_provider(
    tmp_path: Path, decision: str, outcome: str, javascript: bool
) -> None:
    with OidcProvider(tmp_path) as provider, chromium() as browser:
        form = {"client_id": provider.client_id, "scope": provider.scope}
        code = requests.post(f"{provider.issuer}/device/auth", data=form, timeout=30).json()
        with open_page(browser, phone=True, javascript=javascript) as page:
            address = code["verification_uri_complete"]
            seen = approve_in_browser(page, address, "ada", "secret", decision)
        assert outcome in seen[-1]
        assert any(code["user_code"] in text for text in seen)
