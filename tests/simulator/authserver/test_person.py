"""The simulated person on real pages, and on pages that are not what a person would expect."""

import asyncio

import pytest
import requests
from pairlet_sim import person
from pairlet_sim.authserver import AuthorizationServer, Client, Person, Settings, listening_socket, serve
from pairlet_sim.authserver.serving import port_of
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from support.certificates import CertificateAuthority


def test_with_the_complete_address(site):
    codes = site.start_pairing()
    walk = person.walk(codes["verification_uri_complete"], codes["user_code"], "ada", "correct horse")
    assert [title.partition(" ·")[0] for title in walk.titles] == [
        "Sign in", "Compare the code", "Approve the device", "Paired",
    ]  # fmt: skip
    assert "You can close this page" in walk.text
    assert site.poll(codes["device_code"]).status_code == 200


def test_with_the_short_address_and_a_no(site):
    codes = site.start_pairing()
    walk = person.walk(codes["verification_uri"], codes["user_code"].lower(), "ada", "correct horse", "deny")
    assert walk.titles[1].startswith("Enter the code")
    assert walk.titles[-1].startswith("Denied")
    assert site.poll(codes["device_code"]).json()["error"] == "access_denied"


def test_a_person_stays_signed_in(site):
    with person.Person("ada", "correct horse") as ada:
        for titles in (4, 3):
            codes = site.start_pairing()
            walk = ada.walk(codes["verification_uri_complete"], codes["user_code"])
            assert len(walk.titles) == titles


def test_wrong_password(site):
    codes = site.start_pairing()
    with pytest.raises(person.SignInRefused, match="don't belong together"):
        person.walk(codes["verification_uri"], codes["user_code"], "ada", "wrong")


def test_wrong_code(site):
    uri = site.start_pairing()["verification_uri"]
    with pytest.raises(person.CodeRefused, match="No device is waiting"):
        person.walk(uri, "BBBB-BBBB", "ada", "correct horse")
    with pytest.raises(person.CodeRefused, match="No device is waiting"):
        person.walk(uri + "?user_code=BBBB-BBBB", "BBBB-BBBB", "ada", "correct horse")


def test_a_link_with_somebody_elses_code_is_not_confirmed(site):
    own, foreign = site.start_pairing(), site.start_pairing()
    with pytest.raises(person.PageError, match="does not show the device's code"):
        person.walk(foreign["verification_uri_complete"], own["user_code"], "ada", "correct horse")
    assert site.poll(foreign["device_code"]).json()["error"] == "authorization_pending"


def test_too_many_tries(start):
    site = start(attempts_allowed=1)
    codes = site.start_pairing()
    with pytest.raises(person.SignInRefused):
        person.walk(codes["verification_uri"], codes["user_code"], "ada", "wrong")
    with pytest.raises(person.TooManyTries, match="Wait 10 minutes") as caught:
        person.walk(codes["verification_uri"], codes["user_code"], "ada", "correct horse")
    assert caught.value.retry_after_s == 600


def test_nobody_answers():
    listener = listening_socket()
    port = port_of(listener)
    listener.close()
    with pytest.raises(person.NetworkError):
        person.walk(f"http://127.0.0.1:{port}/device", "BBBB-BBBB", "ada", "pw")


def test_addresses_of_other_kinds():
    with pytest.raises(person.PageError, match="neither http nor https"):
        person.walk("file:///etc/hostname", "BBBB-BBBB", "ada", "pw")


def test_errors_tell_no_secret(site):
    codes = site.start_pairing()
    listener = listening_socket()
    dead = f"http://127.0.0.1:{port_of(listener)}/device?user_code={codes['user_code']}"
    listener.close()
    with pytest.raises(person.PersonError) as caught:
        person.walk(dead, codes["user_code"], "ada", "correct horse")
    assert codes["user_code"] not in str(caught.value)
    assert "correct horse" not in repr(person.Person("ada", "correct horse"))


def _in_loop(app, work):
    """Serve `app` and run the blocking `work(url)` beside it."""

    async def main():
        async with serve(app) as running:
            return await asyncio.to_thread(work, running.url)

    return asyncio.run(main())


_FORM = '<form method="post" action="/next">{}</form>'


@pytest.mark.parametrize(
    ("html", "status", "sentence"),
    [
        ("<title>Hi</title>", 200, "ended early on a page that says: Hi"),
        ('<p role="alert">Out of order</p>', 503, r"Out of order \(HTTP 503\)"),
        (_FORM.format("<input name=a type=password><button>x</button>"), 200, "not for whose"),
        (_FORM.format("<button>Continue</button>"), 200, "does not show the device's code"),
        (
            _FORM.format("BBBBBBBB <button name=d>Maybe</button><button name=d>Later</button>"),
            200,
            "No button says",
        ),
        ("<form><input name=c><button>go</button></form>", 200, "into a URL"),
        ("BBBBBBBB" + _FORM.format("<button>Again</button>"), 200, "still no decision"),
    ],
)
def test_pages_nobody_expects(html, status, sentence):
    async def page(request):
        return HTMLResponse(html, status)

    app = Starlette(routes=[Route("/{rest:path}", page, methods=["GET", "POST"])])

    def work(url):
        with pytest.raises(person.PageError, match=sentence):
            person.walk(url + "/device", "BBBB-BBBB", "ada", "pw")

    _in_loop(app, work)


def test_something_that_is_no_page():
    async def text(request):
        return PlainTextResponse("hello")

    def work(url):
        with pytest.raises(person.PageError, match="no page"):
            person.walk(url, "BBBB-BBBB", "ada", "pw")

    _in_loop(Starlette(routes=[Route("/", text)]), work)


def test_over_tls_with_a_ca_of_ones_own(tmp_path):
    authority = CertificateAuthority()
    ca_file = authority.write(tmp_path / "ca.pem")
    certfile, keyfile = authority.issue().write(tmp_path)
    listener = listening_socket()
    issuer = f"https://127.0.0.1:{port_of(listener)}"
    server = AuthorizationServer(Settings(issuer, people=[Person("ada", "pw")], clients=[Client("tv")]))
    outcome: list[object] = []

    def work():
        codes = requests.post(
            issuer + "/device_authorization", {"client_id": "tv"}, verify=ca_file, timeout=30
        ).json()
        with pytest.raises(person.NetworkError, match="certificate"):
            person.walk(codes["verification_uri"], codes["user_code"], "ada", "pw")
        outcome.append(
            person.walk(codes["verification_uri"], codes["user_code"], "ada", "pw", ca_file=ca_file)
        )
        outcome.append(requests.get(issuer + "/sign-in", verify=ca_file, timeout=30).headers["set-cookie"])

    async def main():
        async with serve(server.app, sock=listener, certfile=certfile, keyfile=keyfile) as running:
            assert running.url == issuer
            await asyncio.to_thread(work)

    asyncio.run(main())
    assert "Secure" in outcome[1]
    assert server.events[-1].outcome == "approved"
