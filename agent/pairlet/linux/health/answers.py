"""What the endpoint says: health as JSON, and metrics."""

import json
from http import HTTPStatus
from typing import Any

from ..standing.facts import Facts
from ..standing.judgement import FAILING, Verdict
from . import metrics
from .serving import Answer

_TEXT = "text/plain; charset=utf-8"


def respond(target: str, facts: Facts, verdict: Verdict) -> Answer:
    """The answer to a GET of `target`. No secret is among the facts."""
    path = target.partition("?")[0]
    if path == "/health":
        status = HTTPStatus.SERVICE_UNAVAILABLE if verdict.status == FAILING else HTTPStatus.OK
        return Answer(status, "application/json", json.dumps(health(facts, verdict)).encode() + b"\n")
    if path == "/metrics":
        return Answer(HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.exposition(facts, verdict).encode())
    return Answer(HTTPStatus.NOT_FOUND, _TEXT, b"There are /health and /metrics.\n")


def health(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    """status ("ok", "waiting", "failing"), why in one line, the stuck tasks, and all facts."""
    return {
        "status": verdict.status,
        "why": verdict.why,
        "stuck": list(verdict.stuck),
        "facts": facts.to_json(),
    }
