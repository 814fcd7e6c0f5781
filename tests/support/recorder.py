"""A subscriber that forgets nothing and comes back: what the broker took, in order, with repeats."""

import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from support.broker_process import HOST


class Judgement(NamedTuple):
    """`seqs` in the order of their first arrival; `unmarked`: repeats that don't say that they are."""

    seqs: list[int]
    unmarked: list[int]
    repeats: int


class Recorder:
    """Records every message for `topic_filter` in a persistent session, over the broker's restarts."""

    def __init__(self, port: int, topic_filter: str, *, username: str = "", password: str = ""):
        self._filter = topic_filter
        self._changed = threading.Condition()
        self._messages: list[tuple[str, bytes]] = []
        self._numbers: dict[str, set[int]] = {}
        self._subscribed = False
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="recorder", clean_session=False, protocol=paho.MQTTv311
        )
        if username:
            self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_more: client.subscribe(self._filter, 1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._port = port

    def __enter__(self) -> Self:
        self._client.connect(HOST, self._port, keepalive=10)
        self._client.loop_start()
        with self._changed:
            assert self._changed.wait_for(lambda: self._subscribed, 30), "no subscription"
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_subscribe(self, *_more: Any) -> None:
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        with self._changed:
            seq = _seq(message.payload)
            seen = self._numbers.setdefault(message.topic, set())
            # What the broker itself sends again, because it lost our acknowledgement, is none of the agent's.
            if not (message.dup and seq in seen):
                self._messages.append((message.topic, bytes(message.payload)))
                seen.add(seq)
            self._changed.notify_all()

    def count(self, topic: str) -> int:
        """How many different records of `topic` have come."""
        with self._changed:
            return len(self._numbers.get(topic, ()))

    def wait_for(self, predicate: Callable[[], Any], what: str, timeout: float = 90) -> None:
        """Until `predicate()` is true; it is asked at each message. AssertionError that names `what`."""
        with self._changed:
            assert self._changed.wait_for(predicate, timeout), f"waited {timeout:g} s in vain for {what}"

    def wait_for_count(self, topic: str, count: int) -> None:
        """Until so many different records of `topic` have come."""
        self.wait_for(
            lambda: len(self._numbers.get(topic, ())) >= count, f"{count} of {topic}, not {self.count(topic)}"
        )

    def payloads(self, topic: str) -> list[dict[str, Any]]:
        """All records of `topic`, as they came."""
        with self._changed:
            return [json.loads(payload) for name, payload in self._messages if name == topic]

    def judge(self, topic: str) -> Judgement:
        """What came, and whether repeats were marked."""
        seqs: dict[int, None] = {}
        unmarked, repeats = [], 0
        for record in self.payloads(topic):
            if record["seq"] in seqs:
                repeats += 1
                if record.get("historical") is not True:
                    unmarked.append(record["seq"])
            seqs[record["seq"]] = None
        return Judgement(list(seqs), unmarked, repeats)


def _seq(payload: bytes) -> int:
    try:
        return int(json.loads(payload)["seq"])
    except (ValueError, KeyError, TypeError):
        return -1
