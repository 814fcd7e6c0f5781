"""The loopback address where a browser brings the answer: what it takes, what it refuses, and how it ends."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import ConfigError
from pairlet.core.screen import DENIED, PAIRED, STARTING, TROUBLE, Screen
from pairlet.core.secret import Secret
from pairlet.linux.sign_in import loopback
from pairlet.linux.sign_in.address import read_address
from pairlet.linux.sign_in.launch import desktop_command, with_address
from pairlet.linux.sign_in.loopback import LoopbackBrowser
from pairlet.linux.sign_in.page import answer

URI = "http://127.0.0.1/callback"
SECRET = Secret("https://auth.example/authorize?state=hidden")


def browser(redirect_uri: str = "", command: Any = "none") -> LoopbackBrowser:
    return LoopbackBrowser(redirect_uri, command)


def listening(story: Callable[[LoopbackBrowser, str], Awaitable[None]], **options: Any) -> None:
    """Run `story` with a browser that listens and its redirect URI; it is closed behind it."""

    async def run() -> None:
        one = browser(**options)
        uri = await one.listen()
        try:
            await asyncio.wait_for(story(one, uri), 30)
        finally:
            await one.close()

    asyncio.run(run())


def place(uri: str) -> tuple[str, int, str]:
    """(host, port, authority) of a redirect URI."""
    authority = uri.removeprefix("http://").partition("/")[0]
    host, _, port = authority.rpartition(":")
    return host.strip("[]"), int(port), authority


async def exchange(uri: str, request: str) -> str:
    """Send `request` (with {host} for the right Host) and read to the end."""
    host, port, authority = place(uri)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request.replace("{host}", authority).encode("latin-1"))
    await writer.drain()
    said = await reader.read()
    writer.close()
    return said.decode()


def get(target: str, host: str = "{host}", method: str = "GET") -> str:
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n"


def test_item_47_it_listens_on_a_loopback_ip_literal_with_a_port_of_its_own() -> None:
    seen = []

    async def story(one: LoopbackBrowser, uri: str) -> None:
        assert uri.startswith("http://127.0.0.1:") and uri.endswith("/callback")
        seen.append(place(uri)[1])
        other = browser()
        assert await other.listen() != uri
        await other.close()

    listening(story)
    with socket.socket() as probe:
        # Only while it is needed.
        assert probe.connect_ex(("127.0.0.1", seen[0])) != 0


@pytest.mark.skipif(not Path("/proc/net/if_inet6").is_file(), reason="there is no IPv6 here")
def test_item_47_ipv6_on_request() -> None:
    async def story(one: LoopbackBrowser, uri: str) -> None:
        assert uri.startswith("http://[::1]:") and uri.endswith("/cb")
        task = asyncio.create_task(exchange(uri, get("/cb?code=x")))
        visit = await one.next_visit()
        assert visit.query == "code=x"
        visit.answer(Screen(PAIRED))
        assert "200 OK" in await task

    listening(story, redirect_uri="http://[::1]/cb")


def test_item_47_ipv6_where_there_is_no_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.start_server

    async def without_ipv4(serve: Any, host: str, *arguments: Any, **options: Any) -> Any:
        if host == "127.0.0.1":
            raise OSError(99, "Cannot assign requested address")
        return await real(serve, host, *arguments, **options)

    monkeypatch.setattr(loopback.asyncio, "start_server", without_ipv4)

    async def story(one: LoopbackBrowser, uri: str) -> None:
        assert uri.startswith("http://[::1]:")

    listening(story)


def test_a_visit_gets_one_page() -> None:
    async def story(one: LoopbackBrowser, uri: str) -> None:
        task = asyncio.create_task(exchange(uri, get("/callback?code=hidden&state=hidden")))
        visit = await one.next_visit()
        assert visit.query == "code=hidden&state=hidden" and "hidden" not in repr(visit)
        visit.answer(Screen(DENIED))
        visit.answer(Screen(PAIRED))
        said = await task
        assert said.startswith("HTTP/1.1 200 OK") and said.count("<h1") == 1 and "Declined" in said
        for header in ("Cache-Control: no-store", "Referrer-Policy: no-referrer", "default-src 'none'"):
            assert header in said
        assert "hidden" not in said

    listening(story)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (get("/favicon.ico"), 404),
        (get("/callback/"), 404),
        (get("/callbackx?code=x"), 404),
        (get("http://127.0.0.1/callback"), 404),
        (get("/callback", method="POST"), 405),
        (get("/callback", method="HEAD"), 405),
        (get("/callback", method="OPTIONS"), 405),
        (get("/callback", host="evil.example"), 421),
        (get("/callback", host="localhost"), 421),
        (get("/callback", host="127.0.0.1"), 421),
        ("GET /callback HTTP/1.1\r\n\r\n", 421),
        ("GET /callback HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n", 421),
        ("GET /callback\r\n\r\n", 400),
        ("\r\n\r\n", 400),
        ("SSH-2.0-OpenSSH\r\n\r\n", 400),
        ("\xff\xfe\x00\r\n\r\n", 400),
    ],
)
def test_what_is_not_the_way_back_never_gets_further(request_text: str, status: int) -> None:
    async def story(one: LoopbackBrowser, uri: str) -> None:
        said = await exchange(uri, request_text)
        assert said.startswith(f"HTTP/1.1 {status} "), said
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await one.next_visit()

    listening(story)


def test_who_says_too_much_is_hung_up_on() -> None:
    async def story(one: LoopbackBrowser, uri: str) -> None:
        host, port, _ = place(uri)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /callback HTTP/1.1\r\n" + b"X: " + b"y" * 40000)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()

    listening(story)


def test_many_who_say_nothing_keep_nobody_out_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "_HEAD_S", 0.5)

    async def story(one: LoopbackBrowser, uri: str) -> None:
        host, port, _ = place(uri)
        idle = [await asyncio.open_connection(host, port) for _ in range(20)]
        # Each is hung up on: at once, or when its time for a request is over.
        assert [await reader.read() for reader, _ in idle] == [b""] * 20
        assert (await exchange(uri, get("/"))).startswith("HTTP/1.1 410")
        for _, writer in idle:
            writer.close()

    listening(story)


@pytest.mark.parametrize("said", [get("/callback?code=x"), "GET /call", ""], ids=["all", "half", "nothing"])
def test_closing_hangs_up_on_who_still_waits(said: str) -> None:
    """Browsers open connections ahead, and say nothing on them: that is no fault to be told of."""
    faults: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        one = browser()
        uri = await one.listen()
        task = asyncio.create_task(exchange(uri, said))
        while not one._busy:
            await asyncio.sleep(0)
        if said.endswith("\r\n\r\n"):
            await one.next_visit()
        await one.close()
        assert await task == ""
        await one.close()

    asyncio.run(run())
    assert not faults


def test_the_page_is_on_its_way_when_it_closes() -> None:
    async def run() -> None:
        one = browser()
        uri = await one.listen()
        task = asyncio.create_task(exchange(uri, get("/callback?code=x")))
        (await one.next_visit()).answer(Screen(PAIRED, scope="a"))
        await one.close()
        assert "This device is paired" in await task

    asyncio.run(run())


# ---- pages ----


def test_pages_say_it_in_words_and_steer_no_browser() -> None:
    for kind, word in (
        (PAIRED, "Paired"),
        (DENIED, "Declined"),
        (TROUBLE, "Trouble"),
        (STARTING, "Starting"),
    ):
        page = answer(Screen(kind, message="<script>alert(1)</script>\x1b[2J", advice="a & b")).decode()
        assert f">{word}</h1>" in page and "<script>" not in page and "\x1b" not in page
        assert "&lt;script&gt;" in page and "a &amp; b" in page
        head, _, text = page.partition("\r\n\r\n")
        assert f"Content-Length: {len(text.encode())}\r\n" in head + "\r\n"
    assert "close this window" in answer(Screen(PAIRED)).decode()


# ---- addresses ----


@pytest.mark.parametrize(
    "bad",
    [
        "https://127.0.0.1/cb",
        "http://localhost/cb",
        "http://192.168.0.7/cb",
        "http://127.0.0.2/cb",
        "http://127.0.0.1/cb?x=1",
        "http://127.0.0.1/cb#x",
        "http://0.0.0.0/cb",
        "app:/cb",
        "callback",
        "http://[::2]/",
    ],
)
def test_item_47_only_loopback_ip_literals_will_do(bad: str) -> None:
    with pytest.raises(ConfigError, match="redirect_uri") as caught:
        read_address(bad)
    assert "http://127.0.0.1/callback" in caught.value.advice


def test_addresses() -> None:
    usual = read_address("")
    assert (usual.hosts, usual.uri("127.0.0.1", 80)) == (("127.0.0.1", "::1"), URI)
    assert read_address(URI).hosts == ("127.0.0.1",)
    one = read_address("http://[::1]:8080")
    assert (one.hosts, one.port, one.path) == (("::1",), 8080, "/")
    assert one.uri("::1", 8080) == "http://[::1]:8080/"
    assert read_address("http://127.0.0.1:80/x").uri("127.0.0.1", 80) == "http://127.0.0.1/x"


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async def run() -> None:
            await browser(f"http://127.0.0.1:{port}/cb").listen()

        with pytest.raises(ConfigError, match=str(port)):
            asyncio.run(run())


# ---- browsers ----


def test_a_desktop_has_something_that_opens_an_address(tmp_path: Path) -> None:
    opener = tmp_path / "xdg-open"
    opener.write_text("#!/bin/sh\n")
    opener.chmod(0o755)
    path = {"PATH": str(tmp_path)}
    assert desktop_command({"DISPLAY": ":0", **path}) == ["xdg-open"]
    assert desktop_command({"WAYLAND_DISPLAY": "wayland-0", **path}) == ["xdg-open"]
    assert desktop_command(path) is None
    assert desktop_command({"DISPLAY": ":0", "PATH": str(tmp_path / "empty")}) is None


def test_the_address_goes_where_the_command_wants_it() -> None:
    assert with_address(["chromium", "--kiosk"], "http://x/") == ["chromium", "--kiosk", "http://x/"]
    assert with_address(["b", "--app={uri}", "-v"], "http://x/") == ["b", "--app=http://x/", "-v"]


def script(folder: Path, body: str) -> list[str]:
    file = folder / "browser.py"
    file.write_text(body)
    return [sys.executable, str(file)]


def test_a_browser_is_started_with_nothing_that_is_secret_and_sent_on_once(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = script(tmp_path, f"import sys; open({str(told)!r} + '.new', 'w').write(sys.argv[1])\n"
                     f"import os; os.rename({str(told)!r} + '.new', {str(told)!r})\n")  # fmt: skip

    async def story(one: LoopbackBrowser, uri: str) -> None:
        assert one.open(SECRET) == ""
        while not told.exists():
            await asyncio.sleep(0.01)
        start = told.read_text()
        assert start.startswith("http://127.0.0.1:") and "hidden" not in start
        first = await exchange(uri, get("/"))
        assert "303 See Other" in first and f"Location: {SECRET.reveal()}\r\n" in first
        assert "Referrer-Policy: no-referrer" in first
        assert "410 Gone" in await exchange(uri, get("/")), "whoever comes second gets no state"

    listening(story, command=command)


def test_without_a_browser_there_is_no_start_page() -> None:
    async def story(one: LoopbackBrowser, uri: str) -> None:
        assert one.open(SECRET) == ""
        assert "410 Gone" in await exchange(uri, get("/"))

    listening(story)


def test_why_no_browser_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_desktop(one: LoopbackBrowser, uri: str) -> None:
        assert "no desktop" in one.open(SECRET)

    async def no_such(one: LoopbackBrowser, uri: str) -> None:
        assert "no-such-browser" in (why := one.open(SECRET)) and "can't be started" in why
        assert "410 Gone" in await exchange(uri, get("/"))

    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    listening(no_desktop, command="auto")
    listening(no_such, command=["no-such-browser"])
    listening(no_such, command=["no-such-browser\0"])


def kiosk(folder: Path) -> tuple[list[str], Path]:
    """A browser that runs until it is told to end, and the file that is there meanwhile."""
    running = folder / "running"
    body = (
        "import pathlib, signal, sys\n"
        "def end(*_):\n"
        f"    pathlib.Path({str(running)!r}).unlink(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(running)!r}).touch()\n"
        "signal.pause()\n"
    )
    return script(folder, body), running


def test_a_kiosk_s_own_browser_is_ended_with_the_sign_in(tmp_path: Path) -> None:
    command, running = kiosk(tmp_path)

    async def story(one: LoopbackBrowser, uri: str) -> None:
        assert one.open(SECRET) == ""
        while not running.exists():
            await asyncio.sleep(0.01)
        await one.close()
        while running.exists():
            await asyncio.sleep(0.01)

    listening(story, command=command)


def test_a_kiosk_s_own_browser_is_ended_also_by_who_has_no_time_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, running = kiosk(tmp_path)
    sending = asyncio.Event()

    async def slowly(_writer: asyncio.StreamWriter) -> None:
        sending.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(loopback, "_drained", slowly)

    async def story(one: LoopbackBrowser, uri: str) -> None:
        assert one.open(SECRET) == ""
        while not running.exists():
            await asyncio.sleep(0.01)
        reading = asyncio.create_task(exchange(uri, get("/callback?code=x")))
        (await one.next_visit()).answer(Screen(PAIRED))
        await sending.wait()
        closing = asyncio.create_task(one.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing, reading})
        assert closing.cancelled()
        while running.exists():
            await asyncio.sleep(0.01)

    listening(story, command=command)


# Not after 2: asyncio has accepted it by then, and nobody can have heard of it.
@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5])
def test_a_browser_that_comes_when_all_is_over_is_not_kept_waiting(steps: int) -> None:
    async def story(one: LoopbackBrowser, uri: str) -> None:
        host, port, authority = place(uri)
        with socket.create_connection((host, port)) as late:
            late.sendall(get("/callback?code=x").replace("{host}", authority).encode())
            late.setblocking(False)
            for _ in range(steps):
                await asyncio.sleep(0)
            await one.close()
            try:
                assert await asyncio.get_running_loop().sock_recv(late, 1) == b""
            except ConnectionResetError:
                pass

    listening(story)
