"""Polls a token endpoint on new TLS connections. Arguments: which client, URL, CA file.

For each line with a number on stdin: polls as often, and answers with the CPU seconds that took.
"""

import asyncio
import http.client
import ssl
import sys
import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

FORM = [
    ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
    ("device_code", "A" * 43),
    ("client_id", "bench"),
]


def agent(url: str, ca_file: str) -> Callable[[int], None]:
    """The agent's own Http port: the event loop, the worker thread and all of its checks."""
    from pairlet.core.http import Request
    from pairlet.linux.http import RequestsHttp

    port = RequestsHttp(ca_file=ca_file)
    headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
    request = Request("POST", url, headers, urlencode(FORM).encode())
    runner = asyncio.Runner()

    async def poll(count: int) -> None:
        for _ in range(count):
            answer = await port.exchange(request)
            assert answer.status == 400, answer.status

    return lambda count: runner.run(poll(count))


def session(url: str, ca_file: str) -> Callable[[int], None]:
    """requests as most programs use it."""
    import requests

    kept = requests.Session()
    kept.verify = ca_file

    def poll(count: int) -> None:
        for _ in range(count):
            assert kept.post(url, data=FORM, timeout=30).json()["error"] == "authorization_pending"

    return poll


def standard(url: str, ca_file: str) -> Callable[[int], None]:
    """http.client with one SSLContext: the least that Python can do."""
    context = ssl.create_default_context(cafile=ca_file)
    parts = urlsplit(url)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

    def poll(count: int) -> None:
        for _ in range(count):
            connection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, context=context, timeout=30
            )
            connection.request("POST", parts.path, urlencode(FORM), headers)
            answer = connection.getresponse()
            assert answer.status == 400 and answer.read(), answer.status
            connection.close()

    return poll


CLIENTS = {"agent": agent, "session": session, "http.client": standard}


def main() -> None:
    """Poll on demand until stdin ends."""
    poll = CLIENTS[sys.argv[1]](*sys.argv[2:])
    poll(2)  # reads the CA file, imports what is imported late
    for line in sys.stdin:
        before = time.process_time()
        poll(int(line))
        print(time.process_time() - before, flush=True)


main()
