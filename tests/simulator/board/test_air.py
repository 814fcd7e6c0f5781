"""Wi-Fi, names, connections and time of the board; the sockets and TLS are MicroPython's own."""

import asyncio
import contextlib
import gc
import os
import socket
import threading
import time
from collections.abc import Callable

import pytest
from pairlet_sim.board import BoardError, VirtualBoard
from support.certificates import CertificateAuthority
from support.https_server import HttpsServer, answer
from support.ports import closed_port

NETWORKS = {"home": "correct horse", "guest": ""}
JOIN = """
import network, time
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect({ssid!r}, {key!r})
while wlan.status() in (network.STAT_CONNECTING, 2): time.sleep_ms(5)
print(wlan.status(), wlan.isconnected())
"""
GET = """
import asyncio
async def get(host, port, ssl=None, name=None):
    reader, writer = await asyncio.open_connection(host, port, ssl=ssl, server_hostname=name)
    writer.write(b"GET /hello HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
    await writer.drain()
    data = await reader.read(1000)
    writer.close()
    await writer.wait_closed()
    return data.split(b"\\r\\n\\r\\n")[-1]
"""


def join(board: VirtualBoard, ssid: str = "home", key: str = "correct horse") -> str:
    return board.execute(JOIN.format(ssid=ssid, key=key))


@pytest.fixture
def online(make_board: Callable[..., VirtualBoard]) -> VirtualBoard:
    """A board that has joined."""
    board = make_board(networks=NETWORKS)
    assert join(board) == "3 True\n"
    board.execute(GET)
    return board


@pytest.mark.parametrize(
    ("profile", "ssid", "key", "said"),
    [
        ("picow", "home", "correct horse", "3 True\n"),
        ("picow", "guest", "", "3 True\n"),
        ("picow", "home", "wrong", "-3 False\n"),
        ("picow", "nowhere", "x", "-2 False\n"),
        ("esp32", "home", "correct horse", "1010 True\n"),
        ("esp32", "home", "wrong", "202 False\n"),
        ("esp32", "nowhere", "x", "201 False\n"),
    ],
)
def test_joining(
    make_board: Callable[..., VirtualBoard], profile: str, ssid: str, key: str, said: str
) -> None:
    board = make_board(networks=NETWORKS, profile=profile)
    assert join(board, ssid, key) == said
    assert board.state()["wifi"] is ("True" in said)


def test_any_network_will_do_if_none_was_named(board: VirtualBoard) -> None:
    assert join(board, "whatever", "key") == "3 True\n"


def test_what_the_radio_tells(online: VirtualBoard) -> None:
    online.set_rssi(-71)
    said = online.execute(
        "print(wlan.ifconfig(), wlan.status('rssi'), wlan.config('ssid'), len(wlan.config('mac')))\n"
        "wlan.config(pm=0xA11140, hostname='pot')\nprint(network.hostname(), wlan.config('pm') == 0xA11140)\n"
        "print([(n[0], n[3], n[4]) for n in wlan.scan()])\nprint(wlan.ipconfig('addr4')[0])"
    )
    assert said == (
        "('192.168.4.16', '255.255.255.0', '192.168.4.1', '192.168.4.1') -71 home 6\npot True\n"
        "[(b'guest', -71, 0), (b'home', -71, 3)]\n192.168.4.16\n"
    )
    with pytest.raises(BoardError, match="ValueError"):
        online.execute("wlan.config('nonsense')")
    assert online.execute("wlan.disconnect()\nprint(wlan.isconnected(), wlan.status('rssi'))") == "False 0\n"


def test_the_radio_has_to_be_on(board: VirtualBoard) -> None:
    with pytest.raises(BoardError, match="OSError"):
        board.execute("import network\nnetwork.WLAN(network.STA_IF).connect('home', 'x')")


def test_a_request_goes_through(online: VirtualBoard) -> None:
    with HttpsServer(None) as server:
        server.script["/hello"] = answer(200, [], b"there")
        assert online.execute(f"print(asyncio.run(get('127.0.0.1', {server.port})))") == "b'there'\n"
        assert online.execute(f"print(asyncio.run(get('localhost', {server.port})))") == "b'there'\n"
        assert server.connections == 2


def test_tls_is_verified_by_the_name_that_was_asked_for(online: VirtualBoard) -> None:
    authority = CertificateAuthority()
    online.execute(
        f"import tls\nc = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)\nc.load_verify_locations({authority.pem!r})"
    )
    with HttpsServer(authority.issue(names=("localhost",))) as server:
        server.script["/hello"] = answer(200, [], b"secret")
        call = f"print(asyncio.run(get('localhost', {server.port}, c, '{{}}')))"
        assert online.execute(call.format("localhost")) == "b'secret'\n"
        with pytest.raises(BoardError, match="does not match"):
            online.execute(call.format("example.org"))


def test_ssl_has_the_names_and_the_trap_of_a_board(online: VirtualBoard) -> None:
    authority = CertificateAuthority()
    with HttpsServer(authority.issue()) as server:
        server.script["/hello"] = answer(200, [], b"secret")
        online.execute("import ssl\nc = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)")
        assert online.execute("print(c.verify_mode == ssl.CERT_NONE)") == "True\n"
        online.execute(
            f"c.verify_mode = ssl.CERT_REQUIRED\nc.load_verify_locations(cadata={authority.pem!r})"
        )
        call = f"print(asyncio.run(get('localhost', {server.port}, c, 'localhost')))"
        assert online.execute(call) == "b'secret'\n"


def test_a_name_that_does_not_exist_and_a_port_that_is_closed(online: VirtualBoard) -> None:
    with pytest.raises(BoardError, match=r"OSError: -2"):
        online.execute("import socket\nsocket.getaddrinfo('no.such.name.invalid', 80)")
    with closed_port() as port, pytest.raises(BoardError, match=r"OSError: .*(ECONNRESET|104|EPIPE|32)"):
        online.execute(f"for _ in range(3):\n  assert not asyncio.run(get('127.0.0.1', {port}))")


def test_without_wifi_no_name_is_known(online: VirtualBoard) -> None:
    online.wifi_off()
    assert online.execute("print(wlan.isconnected())") == "False\n"
    with pytest.raises(BoardError, match=r"OSError: -2"):
        online.execute("import socket\nsocket.getaddrinfo('127.0.0.1', 80)")


class Echo:
    """A server that sends back what it gets; `heard` is all of it."""

    def __init__(self) -> None:
        self.heard = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, contextlib.suppress(ConnectionResetError):
            while data := connection.recv(1000):
                self.heard += data
                connection.sendall(data)

    def close(self) -> None:
        self._thread.join(20)
        self._listener.close()


CONNECT = """
import socket
s = socket.socket()
s.settimeout(20)
s.connect(socket.getaddrinfo("127.0.0.1", {port})[0][-1])
s.write(b"one ")
print(s.recv(10))
"""


def test_a_connection_falls_silent_without_wifi_and_goes_on_with_it(online: VirtualBoard) -> None:
    echo = Echo()
    assert online.execute(CONNECT.format(port=echo.port)) == "b'one '\n"
    online.wifi_off()
    assert (
        online.execute(
            "s.settimeout(0.3)\ns.write(b'two ')\n"
            "try:\n  print(s.read(4))\nexcept OSError as e:\n  print(e.errno)"
        )
        == "110\n"
    )
    assert echo.heard == b"one "
    online.wifi_on()
    assert join(online) == "3 True\n"
    assert online.execute("s.settimeout(20)\nprint(s.recv(10))\ns.close()") == "b'two '\n"
    echo.close()


def test_a_connection_can_be_cut(online: VirtualBoard) -> None:
    echo = Echo()
    online.execute(CONNECT.format(port=echo.port))
    online.wifi_off(reset=True)
    with pytest.raises(BoardError, match="ECONNRESET|104"):
        online.execute("s.recv(10)")
    echo.close()


def test_a_reset_breaks_connections_and_the_radio_is_off(online: VirtualBoard) -> None:
    echo = Echo()
    online.execute(CONNECT.format(port=echo.port))
    online.reset("hard")
    echo.close()
    assert (
        online.execute("import network\nw = network.WLAN()\nprint(w.active(), w.isconnected())")
        == "False False\n"
    )


def test_only_an_esp32_joins_again_by_itself(make_board: Callable[..., VirtualBoard]) -> None:
    for profile, again in (("esp32", True), ("picow", False)):
        board = make_board(networks=NETWORKS, profile=profile)
        join(board)
        board.wifi_off()
        board.until(lambda made=board: not made.board.world.wifi.up)
        board.wifi_on()
        if again:
            board.until(lambda made=board: made.board.world.wifi.up)
        else:
            assert board.execute("print(wlan.status())") == "0\n"


def test_ntp_sets_the_clock(online: VirtualBoard) -> None:
    assert (
        online.execute("import ntptime, time\nntptime.settime()\nprint(time.gmtime()[0] > 2024)") == "True\n"
    )
    assert abs(online.state()["clock"] - time.time()) < 120
    online.set_time_server(1_900_000_000)
    assert online.execute("print(0 <= ntptime.time() - 1900000000 < 60)") == "True\n"
    online.set_time_server(None)
    with pytest.raises(BoardError, match="ETIMEDOUT"):
        online.execute("ntptime.settime()")


def test_ntp_on_an_esp32_counts_from_2000(make_board: Callable[..., VirtualBoard]) -> None:
    board = make_board(profile="esp32")
    join(board)
    board.set_time_server(1_900_000_000)
    said = board.execute(
        "import ntptime, time\nntptime.settime()\nprint(time.time() - (1900000000 - 946684800) < 60)"
    )
    assert said == "True\n"


def test_a_server_on_the_board_listens_on_loopback(online: VirtualBoard) -> None:
    online.execute(
        "import socket\nl = socket.socket()\nl.bind(socket.getaddrinfo('0.0.0.0', 0)[0][-1])\nl.listen(1)"
    )
    listening = [line for line in _listeners(online.board.interpreter.pid) if line]
    assert listening and all(address.startswith("0100007F:") for address in listening)


def _listeners(pid: int) -> list[str]:
    """Local addresses, as /proc has them, of the TCP sockets that a process listens at."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{name}")
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open(f"/proc/{pid}/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    return [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]


def test_the_asynchronous_board_is_the_same(make_board: Callable[..., VirtualBoard]) -> None:
    from pairlet_sim.board import Board, Settings

    async def story() -> None:
        async with Board(Settings()) as board:
            await board.until(lambda: ">>> " in board.console.text)
            board.type(b"import machine; machine.Pin(15).value()\r")
            board.world.press(15)
            await board.until(lambda: "value()\n" in board.console.text)
            assert board.state()["booted"]

    asyncio.run(story())


def test_a_board_may_end_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from pairlet_sim.board import Board, Settings

    complaints: list[dict[str, object]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        asked, answered = asyncio.Event(), asyncio.Event()

        async def slow(*_arguments: object, **_options: object) -> list[object]:
            asked.set()
            await answered.wait()
            return []

        monkeypatch.setattr(loop, "getaddrinfo", slow)
        async with Board(Settings()) as board:
            await board.until(lambda: ">>> " in board.console.text)
            board.type(JOIN.format(ssid="home", key="x").replace("\n", "\r").encode() + b"\r")
            await board.until(lambda: board.world.wifi.up)
            board.type(b"import socket; socket.getaddrinfo('somewhere', 80)\r")
            await asked.wait()
        answered.set()
        await asyncio.sleep(0)

    asyncio.run(story())
    gc.collect()
    assert complaints == []
