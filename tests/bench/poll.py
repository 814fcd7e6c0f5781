"""One more poll of the token endpoint, on a new TLS connection as every poll of a patient device is one."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench.figures import Figure, Setting, Spread, in_turns
from bench.processes import Peer, peer
from bench.trust import write_bundle
from support.certificates import CertificateAuthority
from support.https_server import HttpsServer, answer

_ROUNDS = 15
_POLLS = 20  # a round, of each candidate
_AIM = 2.0
_HEADERS = [("content-type", "application/json"), ("connection", "close")]
_PENDING = answer(400, _HEADERS, b'{"error":"authorization_pending"}')


def measure(setting: Setting) -> Iterator[Figure]:
    """Compare the agent's Http port, and requests.Session, with http.client and one SSLContext.

    The server closes after each answer. The CPU is that of the polling process, which counts it itself.
    """
    authority = CertificateAuthority()
    bundle = write_bundle(authority, setting.folder)
    polls = 5 if setting.quick else _POLLS
    with HttpsServer(authority.issue()) as server, ExitStack() as stack:
        server.script["/token"] = _PENDING
        candidates: dict[str, Callable[[], float]] = {}
        for name in ("agent", "session", "http.client"):
            started = stack.enter_context(peer("poller.py", name, server.url("/token"), bundle))
            candidates[name] = _asking(started, polls)
        values = in_turns(setting, candidates, setting.rounds(_ROUNDS))
    floor = values["http.client"]
    for name, words, aim in (("agent", "the agent's Http port", _AIM), ("session", "requests.Session", None)):
        note = f"{statistics.median(values[name]):.2f} ms against {statistics.median(floor):.2f} ms"
        what = f"{words} / http.client with one SSLContext"
        yield Figure(what, Spread.of_ratios(values[name], floor), aim=aim, note=note)


def _asking(started: Peer, polls: int) -> Callable[[], float]:
    """A function that lets `started` poll, and returns the CPU milliseconds of one poll."""
    return lambda: 1000 * float(started.ask(str(polls))) / polls
