"""What the person reads in the browser when it comes back to the device."""

import html
from http import HTTPStatus

from ...core.screen import DENIED, EXPIRED, PAIRED, TROUBLE, Screen
from ..drawing.words import body, heading

_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:18vh auto 0;padding:0 1.5rem;"
    "color:#1c1f26;background:#fff}h1{font-size:2.2rem;line-height:1.2;margin:0 0 1rem}"
    ".good{color:#0b7a4b}.bad{color:#b3261e}"
    "@media(prefers-color-scheme:dark){body{color:#e8eaf0;background:#14161b}"
    ".good{color:#5fd39b}.bad{color:#ff8a80}}"
)
_CLASSES = {PAIRED: "good", DENIED: "bad", EXPIRED: "bad", TROUBLE: "bad"}
_CLOSE = "You can close this window."

# No script, no picture, no way to go on; and the address of this page, which held a code, goes nowhere.
_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
    "Cache-Control: no-store",
    "Connection: close",
)


def answer(page: Screen) -> bytes:
    """The HTTP answer with a page that says what `page` says."""
    word, _ = heading(page)
    paragraphs = body(page)
    if page.kind in (PAIRED, DENIED):
        paragraphs.append(_CLOSE)
    return _response(HTTPStatus.OK, word, paragraphs, _CLASSES.get(page.kind, ""))


def refusal(status: HTTPStatus, sentence: str) -> bytes:
    """The HTTP answer to a request that is not the browser's way back."""
    return _response(status, status.phrase, [sentence], "")


def redirect(location: str) -> bytes:
    """The HTTP answer that sends the browser on to `location`, an address without line breaks."""
    lines = ["HTTP/1.1 303 See Other", f"Location: {location}", "Content-Length: 0", *_HEADERS[2:], "", ""]
    return "\r\n".join(lines).encode("ascii")


def _response(status: HTTPStatus, title: str, paragraphs: list[str], style: str) -> bytes:
    words = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)} · Pairlet</title><style>{_STYLE}</style></head>"
        f'<body><h1 class="{style}">{html.escape(title)}</h1>{words}</body></html>'
    ).encode()
    head = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(text)}", *_HEADERS, "", ""]
    return "\r\n".join(head).encode("ascii") + text
