"""The firmware's own main.py on a virtual board: a real MicroPython with the heap of a Pico W.

Against real peers: the simulator's authorization server over TLS, and mosquitto over TLS.
"""

import contextlib
import io
import json

import pytest
import zxingcpp
from pairlet_sim.authserver import Client, Person
from pairlet_sim.board import VirtualBoard
from pairlet_sim.board.device import _layout as layout
from pairlet_sim.person import walk
from PIL import Image
from support import micropython
from support.authserver_thread import authserver
from support.board_flash import write_flash
from support.certificates import CertificateAuthority
from support.mosquitto import Mosquitto, Subscriber

# What a Pico W has left for programs (187,072 bytes) while it shakes hands for its one TLS session, which
# takes 33 KB there; here that lies elsewhere. And 9 KB for the next larger table of interned names: it takes
# the names of the fake hardware, which a board has in ROM, to need that one.
HEAP = (149 + 9) * 1024
BUTTON = 14


class Scene:
    """Server, broker, a subscriber and a board that is ready to be switched on."""

    def __init__(self, folder, server, mosquitto, subscriber, ca, files=None, **changes):
        self.server, self.mosquitto, self.subscriber = server, mosquitto, subscriber
        self.flash = folder / "flash.bin"
        config = {
            "wifi": {"ssid": "home", "key": "12345678"},
            "board": {"display": "ssd1306", "button": BUTTON},
            "oauth": {"issuer": server.issuer, "client_id": "board", "ca_file": "ca.pem"},
            "mqtt": {"url": f"mqtts://127.0.0.1:{mosquitto.tls_port}"},
            "telemetry": {"interval": "100ms"},
        }
        for table, keys in changes.items():
            config.setdefault(table, {}).update(keys)
        write_flash(self.flash, config, ca.pem, more=files)

    @contextlib.contextmanager
    def board(self, heap=HEAP):
        """Switched on. What it only waits for is skipped, by its clock and by the server's."""
        with (
            VirtualBoard(
                flash=self.flash,
                heap=heap,
                micropython=micropython.required(),
                networks={"home": "12345678"},
                skip_idle=True,
            ) as board,
            self.server.clock.following(board),
        ):
            yield board

    def telemetry(self):
        seen = self.subscriber.messages
        return [json.loads(one.payload) for one in seen if one.topic.endswith("/telemetry")]

    def refreshes(self):
        """How often the server has renewed a token, whether or not that was heard."""
        return sum(event.outcome == "refreshed" for event in self.server.server.events)

    def statuses(self):
        return [one.payload for one in self.subscriber.messages if one.topic.endswith("/status")]


@pytest.fixture
def scene(tmp_path):
    made = []

    def make(token_s=3600, grace_s=0, **changes):
        ca = CertificateAuthority()
        certfile, keyfile = ca.issue().write(tmp_path)
        people, clients = [Person("ada", "lovelace")], [Client("board")]
        tls = (str(certfile), str(keyfile))
        lives = {"access_token_lifetime_s": token_s, "refresh_grace_s": grace_s}
        server = authserver(people, clients, tls, interval_s=1, **lives)
        running = server.__enter__()
        made.append(server)
        mosquitto = Mosquitto(tmp_path / "mosquitto", plain=True, tls=(certfile, keyfile))
        mosquitto.__enter__()
        made.append(mosquitto)
        subscriber = Subscriber(mosquitto.port, "devices/#", qos=1)
        subscriber.__enter__()
        made.append(subscriber)
        return Scene(tmp_path, running, mosquitto, subscriber, ca, **changes), str(tmp_path / "ca.pem"), ca

    def ready(**changes):
        scene, path, ca = make(**changes)
        ca.write(path)
        scene.ca_file = path
        return scene

    yield ready
    for part in reversed(made):
        part.__exit__(None, None, None)


def code_of(board, since=0):
    fields = r"user_code=(\S+) verification_uri=(\S+) verification_uri_complete=(\S+)"
    return board.wait_for_line("^code .*" + fields, since=since, timeout=90)


def press_until(board, text):
    """Press and let go, each for as long as a finger does, until the board says `text`."""
    for _ in range(60):
        for act in (board.press, board.release):
            act(BUTTON)
            try:
                return board.until(lambda: text in board.board.console.text, timeout=0.5)
            except TimeoutError:
                continue
    raise AssertionError("nothing came of it; the board said:\n" + board.console)


def scanned(board):
    """What a telephone reads off the panel; to be asked in the board's own thread."""
    picture = Image.open(io.BytesIO(board.board.look().screenshot(4))).convert("L")
    framed = Image.new("L", (picture.width + 160, picture.height + 160), 0)
    framed.paste(picture, (80, 80))
    return [found.text for found in zxingcpp.read_barcodes(framed)]


def approve(scene, board, since=0):
    """What a person does: scan the panel, open the page, sign in, approve."""
    code = code_of(board, since)
    assert board.until(lambda: scanned(board), timeout=60) == [code[3]]
    walk(code[3], code[1], "ada", "lovelace", ca_file=scene.ca_file)
    board.wait_for_line("^paired ", since=since, timeout=60)


@pytest.mark.timeout(300)
def test_from_power_on_to_a_thousand_samples(scene):
    scene = scene(token_s=40)
    with scene.board() as board:
        approve(scene, board)
        board.wait_for_console("mqtt_connected", timeout=60)
        numbers = []

        def a_thousand(seen):
            if len(seen) < 1000:
                return False
            numbers[:] = [sample["seq"] for sample in scene.telemetry()]
            return len(set(numbers)) >= 1000

        scene.subscriber.wait_for(a_thousand, timeout=240)
        said = board.console
        assert "refreshed" in said
    assert list(dict.fromkeys(numbers))[:1000] == list(range(1000))
    # One is on its way at a time, and QoS 1 may repeat it where a new token ended the connection.
    assert len(numbers) - len(set(numbers)) <= said.count("mqtt_connected")
    assert set(scene.telemetry()[0]["v"]) >= {"chip_temperature_celsius", "heap_free_bytes", "wifi_rssi_dbm"}


def test_a_power_cut_while_the_code_is_on_the_panel_goes_on_with_it(scene):
    scene = scene()
    with scene.board() as board:
        code = code_of(board)
        assert board.until(lambda: scanned(board), timeout=60) == [code[3]]
        mark = board.mark()
        board.power_cut()
        assert not board.state()["display"]
        board.power_on()
        assert code_of(board, since=mark).groups() == code.groups()
        assert board.until(lambda: scanned(board), timeout=60) == [code[3]]
        walk(code[3], code[1], "ada", "lovelace", ca_file=scene.ca_file)
        board.wait_for_console("mqtt_connected", since=mark, timeout=60)
        # The code is spent: the next start knows nothing of it.
        mark = board.mark()
        board.power_cut()
        board.power_on()
        said = board.wait_for_console("mqtt_connected", since=mark, timeout=90)
        assert "code " not in said
    events = [(event.endpoint, event.outcome) for event in scene.server.server.events]
    assert [endpoint for endpoint, _ in events].count("device_authorization") == 1
    assert ("token", "slow_down") not in events


def test_a_power_cut_without_a_clock_goes_on_as_well(scene):
    scene = scene()
    with scene.board() as board:
        code = code_of(board)
        mark = board.mark()
        board.power_cut()
        # From here on a floor is all it knows: the time of its last run.
        board.set_time_server(None)
        board.power_on()
        assert code_of(board, since=mark)[1] == code[1]
        walk(code[3], code[1], "ada", "lovelace", ca_file=scene.ca_file)
        board.wait_for_console("paired ", since=mark, timeout=60)


def test_a_board_that_waits_for_a_person_says_what_to_do_and_does_it(scene):
    scene = scene(pairing={"start": "prompt"}, board={"display": "console"})
    with scene.board() as board:
        board.skip_idle(False)  # a finger takes its time
        said = board.wait_for_console("Press the button for a code.", timeout=90)
        assert "SIGUSR1" not in said and "pairlet pair" not in said
        press_until(board, "enter the code")
        # Somebody has asked for that code: after a power cut it is there without a button.
        mark = board.mark()
        board.power_cut()
        board.power_on()
        said = board.wait_for_console("enter the code", since=mark, timeout=90)
        assert "Press the button" not in said
    events = [event.endpoint for event in scene.server.server.events]
    assert events.count("device_authorization") == 1


def test_a_board_without_a_button_can_not_wait_for_one(scene):
    scene = scene(pairing={"start": "prompt"}, board={"button": None})
    with scene.board() as board:
        board.wait_for_console("there is no board.button", timeout=60)


def test_a_power_cut_after_pairing_needs_nobody(scene):
    scene = scene()
    with scene.board() as board:
        approve(scene, board)
        board.wait_for_console("mqtt_connected", timeout=60)
        scene.subscriber.wait_for(lambda seen: scene.telemetry(), timeout=60)
        board.power_cut()
        scene.subscriber.wait_for(lambda seen: scene.statuses()[-1] == b"offline", timeout=120)
        mark = board.mark()
        board.power_on()
        said = board.wait_for_console("mqtt_connected", since=mark, timeout=90)
        assert "code " not in said


@pytest.mark.parametrize("grace_s", [600, 0], ids=["with a period of grace", "with strict reuse detection"])
def test_a_power_cut_before_the_answer_to_a_refresh_arrives(scene, grace_s):
    scene = scene(token_s=40, grace_s=grace_s)
    with scene.board() as board:
        approve(scene, board)
        board.wait_for_console("mqtt_connected", timeout=60)
        # The server has renewed the token and given up the old one, which is all that the board has.
        scene.server.answers.lose("/token")
        assert scene.server.answers.made.wait(60)
        board.power_cut()
        assert scene.refreshes() == 1 and "refreshed" not in board.console
        scene.server.answers.deliver()
        mark, before = board.mark(), len(scene.telemetry())
        board.power_on()
        went_on = board.wait_for_line("^(refreshed|code) ", since=mark, timeout=90)[1] == "refreshed"
        if grace_s:
            # Once more, at least: on a busy machine the board may have to ask twice.
            assert went_on and scene.refreshes() >= 2
        if not went_on:
            # A server without grace takes the second use for theft: only a person can pair it anew.
            assert "unpaired reason=invalid_grant after a lost answer" in board.since(mark)
            approve(scene, board, since=mark)
        scene.subscriber.wait_for(lambda seen: len(scene.telemetry()) > before, timeout=60)
        assert went_on == ("code " not in board.since(mark))


BALLAST = b"""import os, sys
if "full" in os.listdir():
    os.remove("full")
    sys.modules["ballast"] = bytearray(%d)
"""


def test_a_board_that_runs_out_of_memory_restarts_and_goes_on(scene):
    # Enough for pairing, and not for publishing beside it; the next start has all of its heap.
    scene = scene(files={"boot.py": BALLAST % 36_000, "full": b""})
    with scene.board() as board:
        approve(scene, board)
        board.wait_for_line("^pairlet: a fault: MemoryError ", timeout=60)
        mark = board.mark()
        board.wait_for_console("mqtt_connected", since=mark, timeout=60)
        scene.subscriber.wait_for(lambda seen: scene.telemetry(), timeout=60)
        assert "code " not in board.since(mark) and "unpaired" not in board.console


def test_a_power_cut_right_after_a_refresh_needs_nobody(scene):
    scene = scene(token_s=40)
    with scene.board() as board:
        approve(scene, board)
        board.wait_for_console("mqtt_connected", timeout=60)
        mark = board.mark()

        def cut_as_soon_as_it_says_so():
            if said := "\nrefreshed " in "\n" + board.board.console.since(mark):
                board.board.power_cut()
            return said

        board.until(cut_as_soon_as_it_says_so)
        assert scene.refreshes() == 1
        mark, before = board.mark(), len(scene.telemetry())
        board.power_on()
        scene.subscriber.wait_for(lambda seen: len(scene.telemetry()) > before, timeout=90)
        # The server ends a pairing whose old token comes back: what was saved is the new one.
        board.wait_for_line("^refreshed ", since=mark, timeout=60)
        assert scene.refreshes() >= 2
        assert "code " not in board.since(mark) and "unpaired" not in board.since(mark)


def test_wifi_lost_and_back(scene):
    scene = scene(mqtt={"keep_alive": "5s"})
    with scene.board() as board:
        approve(scene, board)
        board.wait_for_console("mqtt_connected", timeout=60)
        mark = board.mark()
        # What this test takes to switch it on again would be hours for a board that skips them.
        board.skip_idle(False)
        board.wifi_off(reset=True)
        board.wait_for_console("mqtt_disconnected", since=mark, timeout=60)
        board.wifi_on()
        board.wait_for_console("mqtt_connected", since=mark, timeout=120)
        board.skip_idle(True)
        before = len(scene.telemetry())
        scene.subscriber.wait_for(lambda seen: len(scene.telemetry()) > before + 10, timeout=60)
    numbers = [sample["seq"] for sample in scene.telemetry()]
    # QoS 1 may repeat what was under way when the link broke; it must not leave anything out.
    assert sorted(set(numbers)) == list(range(max(numbers) + 1))


def test_a_long_press_un_pairs_and_somebody_else_may_pair(scene):
    scene = scene()
    with scene.board() as board:
        approve(scene, board)
        board.wait_for_console("mqtt_connected", timeout=60)
        mark = board.mark()
        board.press(BUTTON)
        board.wait_for_console("unpaired ", since=mark, timeout=60)
        board.release(BUTTON)
        before = len(scene.telemetry())
        approve(scene, board, since=mark)
        scene.subscriber.wait_for(lambda seen: len(scene.telemetry()) > before, timeout=60)
    assert "revocation" in str(scene.server.server.events)


def test_a_missing_ca_file_is_named(scene):
    scene = scene(oauth={"ca_file": "other.pem"})
    with scene.board() as board:
        board.wait_for_console("other.pem", timeout=60)


@pytest.mark.parametrize(
    "words",
    [
        "raise MemoryError('memory allocation failed, allocating 4096 bytes')",
        # Not even room for a sentence about it.
        "raise type('Fault', (Exception,), {'__str__': lambda self: bytes(1 << 28)})()",
        # A watchdog (board.watchdog) is not fed meanwhile.
        "__import__('machine').WDT(timeout=8000); raise MemoryError('allocating')",
    ],
    ids=["told", "untold", "watched"],
)
def test_a_fault_of_the_program_starts_the_board_anew(scene, words):
    """No memory left for the task that keeps the Wi-Fi up, say: nobody may be there to press reset."""
    with scene().board(heap=2 * HEAP) as board:  # the program is read in twice
        code_of(board)
        board.type("\x03")
        board.wait_for_line("^pairlet: stopped")
        board.execute(
            "import sys\n"
            "sys.modules.pop('pairlet_main')\n"
            "import pairlet_main\n"
            "async def run(self):\n"
            f"    {words}\n"
            "pairlet_main.Firmware.run = run"
        )
        since, boots = board.mark(), board.boots
        board.type("pairlet_main.main()\r")
        if "allocating" in words:
            board.wait_for_line("^Restarts within 60 s", since=since)
        board.wait_for_boot(boots + 1)
        assert board.board.reset_cause == (layout.WATCHDOG if "WDT" in words else layout.HARD_RESET)
        code_of(board, since)
