"""pairlet.linux.log: one line a record, whatever it holds, in words that say why, and in nobody's way."""

import asyncio
import io
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pairlet.core.errors import StoreError, TransportError
from pairlet.core.http import Request, Response
from pairlet.core.mqtt import Credentials, Event, Message
from pairlet.core.secret import Secret
from pairlet.core.token import Token
from pairlet.core.wall import SYNCED, Wall
from pairlet.linux.log import faults
from pairlet.linux.log.events import LoggedEvents, in_words
from pairlet.linux.log.lines import FORMATS, log_to
from pairlet.linux.log.ports import LoggedHttp, LoggedMqtt, LoggedStore
from pairlet.linux.log.status import StatusLine
from pairlet.linux.log.words import clock_time, span
from pairlet.linux.standing.standing import Standing
from pairlet.linux.store import FileStore

SECRET = "s3cr3t-that-nobody-sees"
MINUTE_MS = 60_000


def logged(act: Callable[[], Any], level: str = "debug", form: str = "text") -> list[str]:
    """What is on the stream after `act`."""
    stream = io.StringIO()
    with log_to(stream, level, form):
        act()
    return stream.getvalue().splitlines()


def words(line: str) -> str:
    """A line of text without its time."""
    return line.partition(" ")[2]


# ---- lines -----------------------------------------------------------------------------------


def test_a_line_has_time_level_source_and_words() -> None:
    (line,) = logged(lambda: logging.getLogger("pairlet.http").info("%s was here", "Kilroy"))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d info http: Kilroy was here", line
    )


def test_json_has_the_same_and_the_fields() -> None:
    log = logging.getLogger("pairlet.linux.mqtt_link")
    (line,) = logged(lambda: log.warning("hm", extra={"fields": {"status": 503}}), form="json")
    read = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", read.pop("at"))
    assert read == {"level": "warning", "source": "mqtt_link", "message": "hm", "status": 503}


@pytest.mark.parametrize(("level", "count"), [("error", 1), ("warning", 2), ("info", 3), ("debug", 4)])
def test_the_level_decides_what_is_told(level: str, count: int) -> None:
    def act() -> None:
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger("pairlet.x").log(number, "said")

    assert len(logged(act, level)) == count


@pytest.mark.parametrize("form", FORMATS)
def test_whatever_a_record_holds_it_is_one_printable_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What no encoding can write must not reach the report of the test run.
    monkeypatch.setattr(logging.getLogger("pairlet"), "propagate", False)
    nasty = "a\nb\x1b[2Jc\u202ed\ud800" + 5000 * "x"
    lines = logged(lambda: logging.getLogger("pairlet.x").error("%s", nasty), form=form)
    assert len(lines) == 1 and lines[0].isprintable() and len(lines[0]) < 1200


@pytest.mark.parametrize("form", FORMATS)
def test_an_exception_is_told_by_kind_and_place_without_its_text(form: str) -> None:
    def act() -> None:
        try:
            {}[SECRET]
        except KeyError:
            logging.getLogger("pairlet.x").exception("it broke")

    (line,) = logged(act, form=form)
    assert SECRET not in line and "KeyError" in line and "test_log.py:" in line and "in act" in line


def test_what_asyncio_quotes_is_left_out() -> None:
    """Its warnings hold the repr of tasks, and that the text of exceptions."""
    (line,) = logged(lambda: logging.getLogger("asyncio").warning("Executing %s took long", SECRET))
    assert words(line) == "warning asyncio: Executing ... took long"


def test_afterwards_everything_is_as_it_was() -> None:
    names = ("pairlet", "asyncio")

    def state() -> list[object]:
        return [(logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in names]

    before = state()
    logged(lambda: None)
    assert state() == before


def test_a_reader_that_takes_nothing_holds_up_nobody_and_learns_what_it_missed() -> None:
    reader, writer = os.pipe()
    log = logging.getLogger("pairlet.x")
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb", 0) as pipe, log_to(stream, "info", "text"):
        for _ in range(2000):
            log.info("x" * 100)
        taken = os.read(pipe.fileno(), 1 << 20)
        log.info("the last one")
        taken += os.read(pipe.fileno(), 1 << 20)
    *lines, lost, last = taken.decode().splitlines()
    assert words(last) == "info x: the last one"
    found = re.fullmatch(r"warning log: (\d+) lines were left out: nobody took them", words(lost))
    assert found and len(lines) + int(found[1]) == 2000


def test_a_reader_that_has_gone_is_no_trouble() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        with log_to(stream, "info", "text"):
            logging.getLogger("pairlet.x").info("before")
            os.close(reader)
            logging.getLogger("pairlet.x").info("after")
        with log_to(None, "info", "text"):
            logging.getLogger("pairlet.x").info("no stderr at all")


# ---- faults ----------------------------------------------------------------------------------


def _raised(kind: type[Exception]) -> Exception:
    try:
        raise kind(SECRET)
    except kind as error:
        return error


def test_a_fault_says_kind_and_place_and_what_to_do() -> None:
    told = faults.fault(_raised(ValueError))
    assert SECRET not in str(told) and "ValueError at linux/test_log.py:" in str(told)
    assert told.exit_code == 1 and "report" in told.advice


def test_a_fault_is_placed_in_our_own_code() -> None:
    with pytest.raises(TypeError) as caught:
        FileStore(3)  # type: ignore[arg-type]
    assert "TypeError at pairlet/linux/store.py:" in str(faults.fault(caught.value))


def test_what_goes_wrong_where_nobody_can_catch_it_is_told_likewise() -> None:
    class Bad:
        def __del__(self) -> None:
            raise ValueError(SECRET)

    def fail() -> None:
        raise ValueError(SECRET)

    async def forget_a_task() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(faults.heard_by_loop)
        loop.call_soon(fail)
        loop.call_exception_handler({"message": f"Unclosed <thing {SECRET}>"})
        await asyncio.sleep(0)

    def act() -> None:
        with faults.watched():
            Bad()
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
            asyncio.run(forget_a_task())

    before = sys.unraisablehook, threading.excepthook
    lines = logged(act)
    assert (sys.unraisablehook, threading.excepthook) == before
    assert SECRET not in "".join(lines)
    assert [words(line).partition(" [")[0] for line in lines] == [
        "error faults: a fault that nobody could catch",
        "error faults: a fault that nobody could catch",
        "error faults: asyncio: Unclosed",
        "error faults: a fault in the background",
    ]
    assert sum("ValueError at " in line for line in lines) == 3


# ---- ports -----------------------------------------------------------------------------------


class Answering:
    """The port Http with one answer, or one error."""

    needs_room = False

    def __init__(self, result: Response | Exception):
        self._result = result

    async def exchange(self, request: Request) -> Response:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


def exchanged(result: Response | Exception, request: Request | None = None) -> tuple[list[str], LoggedHttp]:
    """The log of one exchange."""
    http = LoggedHttp(Answering(result))
    sent = request or Request("POST", "https://a.test/token?x=" + SECRET, [], b"grant_type=refresh_token&x")

    def act() -> None:
        try:
            asyncio.run(http.exchange(sent))
        except TransportError:
            pass

    return [re.sub(r"\d+ ms$|\d+ ms:", "T", words(line)) for line in logged(act)], http


def test_an_exchange_is_a_line_with_everything_but_what_it_carries() -> None:
    body = json.dumps({"access_token": SECRET}).encode()
    lines, http = exchanged(Response(200, [("x", SECRET)], body))
    assert lines == ["debug http: POST a.test/token (refresh): 200, %d bytes, T" % len(body)]
    assert http.answered_at is not None and http.trouble == ""


def test_an_answer_of_oauth_is_named_if_its_code_is_one_of_the_rfcs() -> None:
    poll = Request(
        *("POST", "https://user:pass@a.test:8443/token#f", []),
        b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=" + SECRET.encode(),
    )
    lines, _ = exchanged(Response(400, [], b'{"error": "slow_down"}'), poll)
    assert lines == ["debug http: POST a.test:8443/token (poll): 400 slow_down, 22 bytes, T"]
    for body in (b'{"error": "%s"}' % SECRET.encode(), b'{"error": 7}', b"[]", b"\xff", b""):
        lines, _ = exchanged(Response(400, [], body), poll)
        assert lines == [f"debug http: POST a.test:8443/token (poll): 400, {len(body)} bytes, T"]


def test_an_exchange_without_an_answer_says_why() -> None:
    lines, http = exchanged(TransportError("a.test refused the connection"))
    assert lines == [
        "debug http: POST a.test/token (refresh): no answer after T a.test refused the connection"
    ]
    assert http.answered_at is None and http.trouble == "a.test refused the connection"


def test_an_exchange_that_is_given_up_says_so() -> None:
    class Silent:
        needs_room = False

        async def exchange(self, request: Request) -> Response:
            await asyncio.Event().wait()
            raise AssertionError

    async def give_up() -> None:
        task = asyncio.create_task(LoggedHttp(Silent()).exchange(Request("GET", "https://a.test/", [])))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    (line,) = logged(lambda: asyncio.run(give_up()))
    assert "GET a.test/: given up after" in line


class Broker:
    """The port Mqtt, as far as it takes."""

    def __init__(self, result: int | Exception):
        self._result = result

    async def connect(self, credentials: Credentials, will: Message | None) -> bool:
        if isinstance(self._result, Exception):
            raise self._result
        return True

    async def publish(self, message: Message) -> int:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    async def subscribe(self, topic_filter: str, qos: int) -> int:
        return qos

    async def next_event(self) -> Event:
        return Event("disconnected", None, "gone", None)

    async def disconnect(self) -> None:
        return None


@pytest.mark.parametrize(
    ("result", "connecting", "publishing"),
    [
        (0, "connected after T, with the session from before", "taken after T"),
        (0x87, "connected after T, with the session from before", "refused with 0x87 after T"),
        (TransportError("no route"), "connecting failed after T no route", "not taken: no route"),
    ],
)
def test_the_broker_is_heard_without_passwords_and_payloads(
    result: int | Exception, connecting: str, publishing: str
) -> None:
    mqtt = LoggedMqtt(Broker(result))

    async def talk() -> None:
        for step in (
            mqtt.connect(Credentials("me", Secret(SECRET)), None),
            mqtt.publish(Message("t", SECRET.encode(), 1, False)),
        ):
            try:
                await step
            except TransportError:
                pass
        assert await mqtt.subscribe("x", 1) == 1
        assert (await mqtt.next_event()).reason == "gone"
        await mqtt.disconnect()

    lines = [re.sub(r"\d+ ms:?", "T", words(line)) for line in logged(lambda: asyncio.run(talk()))]
    assert lines == [
        f"debug mqtt: {connecting}",
        f"debug mqtt: a message of {len(SECRET)} bytes to t was {publishing}",
    ]


def test_the_store_is_heard_without_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A wait for nobody is long enough here.
    monkeypatch.setattr("pairlet.linux.log.ports._LONG_WAIT_MS", 0)
    store = LoggedStore(FileStore(tmp_path))

    async def take_the_lock() -> None:
        async with store.lock():
            with pytest.raises(StoreError):
                async with FileStore(tmp_path, lock_timeout_s=0).lock():
                    raise AssertionError("it was not locked")

    def act() -> None:
        store.save("token", SECRET.encode())
        assert store.load("token") == SECRET.encode()
        assert store.set_aside("token") == str(tmp_path / "token.corrupt-1")
        store.delete("token")
        with pytest.raises(StoreError):
            store.save("../x", b"")
        asyncio.run(take_the_lock())

    lines = [re.sub(r"\d+ ms", "T", words(line)) for line in logged(act)]
    assert lines == [
        f"debug store: token is on the disk: {len(SECRET)} bytes, T",
        f"warning store: token could not be read and is kept as {tmp_path}/token.corrupt-1",
        "debug store: token is gone from the disk",
        "debug store: waited T for another process that held the state folder",
    ]


# ---- events ----------------------------------------------------------------------------------

EVENTS: list[tuple[str, dict[str, Any], str]] = [
    (
        "code",
        {"user_code": SECRET, "verification_uri": "https://a.test/go", "expires_in": 600, "interval": 5}
        | {"verification_uri_complete": "https://a.test/go?" + SECRET},
        "info agent: a code is shown for https://a.test/go; it is good for 10 min, and the server is asked "
        "every 5 s",
    ),
    (
        "paired",
        {"scope": "a b", "expires_in": 3600, "has_refresh_token": True},
        "info agent: paired, with the scope a b; the token is good for 60 min; a refresh token came along",
    ),
    (
        "paired",
        {"scope": "", "expires_in": None, "has_refresh_token": False},
        "info agent: paired, with an unnamed scope; the token does not say when it ends; there is no "
        "refresh token",
    ),
    ("denied", {}, "warning agent: the person said no"),
    ("expired", {}, "warning agent: the time is over, and nobody has approved"),
    (
        "refreshed",
        {"expires_in": 60, "rotated": True},
        "info agent: the token was renewed and is good for 60 s; the refresh token was replaced too",
    ),
    ("unpaired", {"reason": "invalid_grant"}, "warning agent: not paired any more: invalid_grant"),
    ("mqtt_connected", {}, "info agent: connected to the broker"),
    ("mqtt_disconnected", {"reason": "gone"}, "info agent: not connected to the broker: gone"),
    ("published", {"count": 1, "backlog": 7}, "debug agent: published; 7 samples wait"),
    ("dropped", {"count": 2, "from": 5, "to": 6}, "warning agent: 2 samples dropped, number 5 to 6"),
    (
        "error",
        {"error": "transport_error", "error_description": "no route", "advice": "Try.", "exit_code": 5},
        "warning agent: no route. Try.",
    ),
    ("error", {"error": "x", "error_description": "", "exit_code": 6}, "warning agent: x."),
    ("something_new", {"a": 1}, "info agent: something_new"),
]


@pytest.mark.parametrize(("event", "fields", "line"), EVENTS)
def test_an_event_is_logged_in_words_and_passed_on(event: str, fields: dict[str, Any], line: str) -> None:
    heard: list[object] = []
    listen = LoggedEvents(lambda event, **fields: heard.append((event, fields)))
    assert list(map(words, logged(lambda: listen(event, **fields)))) == [line]
    assert heard == [(event, fields)]
    (as_json,) = logged(lambda: listen(event, **fields), form="json")
    assert json.loads(as_json)["event"] == event and SECRET not in as_json


def test_a_wait_that_nobody_notices_is_not_told_at_info() -> None:
    listen = LoggedEvents(lambda event, **fields: None)
    for ms, lines in ((999, 0), (1000, 1)):
        assert len(logged(lambda ms=ms: listen("waiting", what="start", ms=ms), "info")) == lines  # type: ignore[misc]


def test_a_wait_says_what_for_how_long_and_until_when() -> None:
    told = in_words("waiting", {"what": "refresh", "ms": 4200})
    assert re.fullmatch(r"asking for a new token again in 4\.2 s, at \d\d:\d\d:\d\d", told)


# ---- the status line -------------------------------------------------------------------------


class Desk:
    """Clock, keeper and agent in one, to be set by hand."""

    def __init__(self, token: Token | None = None, due: int | None = None):
        self.token = token
        self.due = due

    def now(self) -> int:
        return 1_000_000

    async def sleep_until(self, until: int) -> None:
        raise AssertionError

    def alarm(self, ring: Any, until: int) -> Any:
        raise AssertionError

    def wall(self) -> Wall:
        return Wall(SYNCED, 1_750_000_000)

    def boot_id(self) -> str:
        return ""

    def refresh_at(self) -> int | None:
        return self.due

    def learn(self, seconds: int) -> None:
        raise AssertionError

    is_saved = True
    storing = None

    @property
    def keeper(self) -> "Desk":
        return self


def token(left_ms: int | None, refresh_token: str | None = SECRET) -> Token:
    """A token that ends in `left_ms`."""
    return Token(
        Secret(SECRET),
        expires_in=3600,
        expires_at=None if left_ms is None else 1_000_000 + left_ms,
        refresh_token=Secret(refresh_token) if refresh_token else None,
    )


def status_line(desk: Desk, http: LoggedHttp) -> tuple[StatusLine, Standing]:
    standing = Standing(lambda event, **fields: None, desk)
    standing.watch(desk)
    return StatusLine(standing, http), standing


def status_of(desk: Desk, result: Response | Exception | None = None) -> str:
    """The status line after an exchange with `result`, if there was one."""
    http = LoggedHttp(Answering(result or Response(200, [], b"{}")))
    line, _ = status_line(desk, http)

    async def exchange() -> None:
        try:
            await http.exchange(Request("GET", "https://a.test/", []))
        except TransportError:
            pass

    if result is not None:
        asyncio.run(exchange())
    (said,) = logged(line.say, "info")
    return words(said).removeprefix("info status: ")


def test_the_status_line_says_how_the_token_stands() -> None:
    good = Desk(token(41 * MINUTE_MS), 1_000_000 + 33 * MINUTE_MS)
    assert re.fullmatch(
        r"paired; token good for 41 min; next refresh \d\d:\d\d, in 33 min; last answer 0 s ago",
        status_of(good, Response(200, [], b"")),
    )
    assert status_of(Desk()) == "not paired; starting"
    assert status_of(Desk(token(5000, None))) == "paired; token good for 5 s; it can't be renewed"
    assert status_of(Desk(token(0), 900_000)) == "paired; the token has ended; refresh is due"
    assert status_of(Desk(token(None))) == (
        "paired; the token does not say when it ends; it is renewed when the broker refuses it"
    )
    assert status_of(Desk(), TransportError("no route")) == (
        "not paired; starting; no answer yet, and then: no route"
    )


def test_the_status_line_has_fields_for_machines() -> None:
    desk = Desk(token(41 * MINUTE_MS), 1_000_000 + 33 * MINUTE_MS)
    line, _ = status_line(desk, LoggedHttp(Answering(Response(200, [], b""))))
    (said,) = logged(line.say, "info", "json")
    read = json.loads(said)
    assert read["paired"] is True and read["expires_in"] == 2460
    assert read["refresh_in"] == 1980 and read["last_answer"] is None


def test_the_status_is_said_at_the_start_and_when_the_token_changes() -> None:
    desk = Desk()
    line, tell = status_line(desk, LoggedHttp(Answering(Response(200, [], b""))))

    async def live() -> None:
        tell("refreshed")
        line.start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        desk.token = token(5000, None)
        tell("paired")
        tell("mqtt_connected")
        tell("published", count=1, backlog=0)
        tell("refreshed")
        tell("mqtt_disconnected")
        desk.token = None
        tell("unpaired")
        line.stop()
        tell("refreshed")

    lines = [words(said) for said in logged(lambda: asyncio.run(live()), "info")]
    assert lines == [
        "info status: not paired; starting",
        "info status: paired; token good for 5 s; it can't be renewed",
        "info status: paired; token good for 5 s; it can't be renewed",
        "info status: not paired; starting",
    ]


@pytest.mark.parametrize(
    ("due", "reason"),
    [
        (999_900, "refreshing as planned: token good for 41 min"),
        (400_000, "refreshing as was due 10 min ago: token good for 41 min"),
        (2_000_000, "refreshing ahead of time, because the token was refused: token good for 41 min"),
        (None, "refreshing ahead of time, because the token was refused: token good for 41 min"),
    ],
)
def test_a_refresh_says_why_it_is_made(due: int | None, reason: str) -> None:
    desk = Desk(token(41 * MINUTE_MS), due)
    http = LoggedHttp(Answering(Response(200, [], b"")))
    status_line(desk, http)
    requests = [Request("POST", "https://a.test/", [], b"x=grant_type=none")]
    requests.append(Request("POST", "https://a.test/", [], b"grant_type=refresh_token"))
    lines = logged(lambda: [asyncio.run(http.exchange(request)) for request in requests])
    assert [words(line) for line in lines if " status: " in line] == [f"debug status: {reason}"]


# ---- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration_ms", "said"),
    [
        *((-5, "0 s"), (0, "0 s"), (400, "0.4 s"), (4200, "4.2 s"), (9949, "9.9 s"), (9950, "10 s")),
        *((119_000, "119 s"), (2 * MINUTE_MS, "2 min"), (41 * MINUTE_MS, "41 min"), (7_200_000, "2 h")),
        *((26 * 3_600_000, "26 h"), (12 * 86_400_000, "12 days")),
    ],
)
def test_a_span_has_the_unit_of_which_there_are_two(duration_ms: int, said: str) -> None:
    assert span(duration_ms) == said


def test_a_time_is_as_exact_as_it_is_near() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock_time(5000))
    assert re.fullmatch(r"\d\d:\d\d", clock_time(41 * MINUTE_MS))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", clock_time(3 * 86_400_000))
