"""Asks the agent that runs with a state folder how it stands."""

import json
import os
from http.client import HTTPConnection, HTTPException
from typing import Any

from .place import SOCKET_NAME, connect

_TIMEOUT_S = 3.0
_MOST_BYTES = 65536


def ask(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What /health of that agent says; None if none runs, or none that answers in time."""
    # Closed with the answer; the name is nobody's address, but HTTP/1.1 wants one.
    connection = HTTPConnection("localhost", timeout=_TIMEOUT_S)
    try:
        connection.sock = connect(os.path.join(folder, SOCKET_NAME), _TIMEOUT_S)
        connection.request("GET", "/health")
        said = json.loads(connection.getresponse().read(_MOST_BYTES))
    except (OSError, HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    return said if isinstance(said, dict) and isinstance(said.get("why"), str) else None
