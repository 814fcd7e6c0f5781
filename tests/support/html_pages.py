"""Just enough of a browser to walk through pages without JavaScript: forms, links, visible text."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

_UNSEEN = {"script", "style", "title", "noscript"}


class Form:
    """A form of a page: absolute `action`, `method` in capitals, `fields` with the values they would send."""

    def __init__(self, action: str, method: str):
        self.action = action
        self.method = method
        self.fields: dict[str, str] = {}

    def submit(self, fields: dict[str, str]) -> tuple[str, str, dict[str, str]]:
        """(method, URL, fields) for an HTTP client."""
        return self.method, self.action, fields


class Page(HTMLParser):
    """A parsed page: `forms`, `text` (what a person sees, in one line), `link(label)`, `url`, `status`."""

    def __init__(self, url: str, markup: str, status: int = 200):
        super().__init__()
        self.url = url
        self.status = status
        self.forms: list[Form] = []
        self._links: list[tuple[str, str]] = []
        self._words: list[str] = []
        self._open: list[str] = []
        self.feed(markup)
        self.close()

    @classmethod
    def of(cls, response: requests.Response) -> "Page":
        """The page in an answer; its URL is the one after redirects."""
        return cls(response.url, response.text, response.status_code)

    @property
    def form(self) -> Form | None:
        """The first form, or None."""
        return self.forms[0] if self.forms else None

    @property
    def text(self) -> str:
        """What a person reads, in one line."""
        return " ".join(" ".join(self._words).split())

    def link(self, label: str) -> str:
        """Absolute address of the first link whose text contains `label`; AssertionError if none does."""
        found = [address for address, text in self._links if label in text]
        assert found, f"no link {label!r} on the page: {self.text}"
        return found[0]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note forms, their fields, links and what hides text."""
        values: dict[str, Any] = dict(attrs)
        if tag == "form":
            action = urljoin(self.url, values.get("action") or "")
            self.forms.append(Form(action, (values.get("method") or "get").upper()))
        elif tag == "input" and values.get("name") and self.forms:
            self.forms[-1].fields[values["name"]] = values.get("value") or ""
        elif tag == "a":
            self._links.append((urljoin(self.url, values.get("href") or ""), ""))
        if tag in _UNSEEN or tag == "a":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave what `handle_starttag` entered."""
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        """Keep what is seen; text inside a link is the link's label too."""
        if not _UNSEEN.intersection(self._open):
            self._words.append(data)
        if "a" in self._open:
            address, text = self._links[-1]
            self._links[-1] = (address, text + data)
