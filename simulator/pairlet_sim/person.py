"""A simulated person with a phone, who walks the real pages of an authorization server over HTTP.

    walk("https://as.example/device?user_code=WDJB-MJHT", "WDJB-MJHT", "ada", "her password")

Reads forms as a browser without JavaScript does and fills in what a person would: sign in, type or confirm
the code, approve or deny. It knows no addresses and no field names of one server, only what forms look like.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urljoin, urlsplit

import requests

Decision = Literal["approve", "deny"]

_MAX_PAGES = 12
_MAX_PAGE_BYTES = 1024 * 1024

# Words on buttons, in their value or in their label, that say yes or no.
_APPROVE = ("approve", "allow", "accept", "authorize", "authorise", "grant", "yes")
_DENY = ("deny", "decline", "reject", "refuse", "disallow", "abort", "cancel", "no")
# Forms that are on many pages and lead away from the walk.
_ASIDE = ("sign out", "log out", "logout", "signout", "sign-out")


class PersonError(Exception):
    """The walk ended before a decision was made; the text is one sentence that says where."""


class NetworkError(PersonError):
    """No answer from the server, or not over a connection that can be trusted."""


class PageError(PersonError):
    """A page is not what a person would expect there. `status` is the HTTP status, or 0."""

    def __init__(self, sentence: str, status: int = 0):
        super().__init__(sentence)
        self.status = status


class SignInRefused(PersonError):
    """The server does not accept username and password."""


class CodeRefused(PersonError):
    """The server knows no such user code, or not any more."""


class TooManyTries(PersonError):
    """HTTP 429. `retry_after_s` is how many seconds the server asks to wait, or None."""

    def __init__(self, sentence: str, retry_after_s: int | None):
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


@dataclass
class Field:
    """An <input> or <button> of a form. `label` is what a person reads on a button."""

    name: str
    kind: str
    value: str = ""
    label: str = ""


@dataclass
class Form:
    """A form as submitted without JavaScript."""

    action: str
    method: str
    fields: list[Field] = field(default_factory=list)

    def of_kind(self, *kinds: str) -> list[Field]:
        """Its fields of these kinds, in order."""
        return [each for each in self.fields if each.kind in kinds]

    @property
    def is_aside(self) -> bool:
        """Whether it is there on every page, like signing out."""
        words = [self.action, *(button.label for button in self.of_kind("submit"))]
        return any(word in text.lower() for word in _ASIDE for text in words)


@dataclass
class Walk:
    """Where a walk ended: titles of all pages in order, and the text of the last one."""

    titles: list[str] = field(default_factory=list)
    text: str = ""


class Page(HTMLParser):
    """One page: `title`, visible `text`, what it says with role="alert", and its forms."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.title = self.text = self.alert = ""
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._button: Field | None = None
        self._open: list[str] = []
        self._alert_depth = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect forms and fields; note where an alert begins."""
        values = {name: value or "" for name, value in attrs}
        if tag in ("input", "link", "meta", "br", "img", "hr", "wbr"):
            if tag == "input":
                self._add(
                    Field(values.get("name", ""), values.get("type", "text").lower(), values.get("value", ""))
                )
            return
        self._open.append(tag)
        if values.get("role") == "alert":
            self._alert_depth = len(self._open)
        if tag == "form":
            self._form = Form(values.get("action", ""), values.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "button":
            kind = values.get("type", "submit").lower()
            self._button = Field(values.get("name", ""), kind, values.get("value", ""))
            self._add(self._button)

    def handle_endtag(self, tag: str) -> None:
        """Close whatever this closes; browsers forgive unbalanced tags, and so do we."""
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if len(self._open) < self._alert_depth:
            self._alert_depth = 0
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None

    def handle_data(self, data: str) -> None:
        """Sort text into title, button labels, alert and the rest."""
        text = " ".join(data.split())
        if not text or (self._open and self._open[-1] in ("style", "script")):
            return
        if self._open and self._open[-1] == "title":
            self.title += text
            return
        if self._button is not None:
            self._button.label = f"{self._button.label} {text}".strip()
        if self._alert_depth:
            self.alert = f"{self.alert} {text}".strip()
        self.text = f"{self.text} {text}".strip()

    def _add(self, each: Field) -> None:
        if self._form is not None:
            self._form.fields.append(each)


class Person:
    """Somebody with an account and a browser that keeps cookies. Blocking: call it from a thread.

    `ca_file` is a PEM file to trust instead of the system's; `timeout_s` is per request.
    """

    def __init__(self, username: str, password: str, ca_file: str | None = None, timeout_s: float = 20):
        self._username = username
        self._password = password
        self._timeout_s = timeout_s
        self._browser = requests.Session()
        # A proxy or another CA from the environment has no business between us and a simulator.
        self._browser.trust_env = False
        self._browser.verify = ca_file or True

    def __repr__(self) -> str:
        return f"Person({self._username!r})"

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the browser."""
        self._browser.close()

    def walk(self, uri: str, user_code: str, decision: Decision = "approve") -> Walk:
        """Open `uri` (verification_uri or verification_uri_complete) and go on until `decision` is made.

        Raises PersonError: NetworkError, PageError, SignInRefused, CodeRefused or TooManyTries.
        """
        if decision not in ("approve", "deny"):
            raise ValueError("decision must be approve or deny")
        walk, signed_in, typed, decided = Walk(), False, False, False
        answer = self._fetch("GET", uri)
        for _ in range(_MAX_PAGES):
            page = self._read(answer)
            walk.titles.append(page.title)
            walk.text = page.text
            form = _main_form(page)
            if form is None or decided:
                if decided and answer.ok:
                    return walk
                raise PageError(_dead_end(page, answer), answer.status_code)
            fields = [(each.name, each.value) for each in form.of_kind("hidden") if each.name]
            if form.of_kind("password"):
                if signed_in:
                    raise SignInRefused(
                        page.alert or "The server does not accept this username and password."
                    )
                fields += self._credentials(form)
                signed_in = True
            elif code_fields := form.of_kind("text", "search", "tel"):
                if typed:
                    raise CodeRefused(page.alert or "The server does not accept this code.")
                fields.append((code_fields[0].name, user_code))
                typed = True
            elif choice := _choice(form, decision):
                fields.append((choice.name, choice.value))
                decided = True
            else:
                self._compare(page, form, user_code)
                typed = True
            fields += [
                (each.name, each.value) for each in form.of_kind("submit")[:1] if each.name and not decided
            ]
            answer = self._submit(answer.url, form, fields)
        raise PageError(f"After {_MAX_PAGES} pages there was still no decision to make.")

    def _credentials(self, form: Form) -> list[tuple[str, str]]:
        names = form.of_kind("text", "email")
        if not names:
            raise PageError("A page asks for a password but not for whose.")
        return [(names[0].name, self._username), (form.of_kind("password")[0].name, self._password)]

    @staticmethod
    def _compare(page: Page, form: Form, user_code: str) -> None:
        """Confirm only a page that shows our code: what RFC 8628 section 5.4 hopes people do."""
        if _letters(user_code) not in _letters(page.text):
            raise PageError(f"The page {page.title!r} asks to confirm, but does not show the device's code.")
        if not form.of_kind("submit"):
            raise PageError(f"The page {page.title!r} has a form without a button.")

    def _submit(self, page_url: str, form: Form, fields: list[tuple[str, str]]) -> requests.Response:
        address = urljoin(page_url, form.action)
        if form.method == "post":
            # As browsers do, and as Django's protection against CSRF asks for under https.
            page = urlsplit(page_url)
            return self._fetch("POST", address, fields, {"Origin": f"{page.scheme}://{page.netloc}"})
        raise PageError("A form would put what a person types into a URL.")

    def _fetch(
        self,
        method: str,
        uri: str,
        fields: list[tuple[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        # Neither address nor exception text goes into our sentences: a query may hold the user code.
        if urlsplit(uri).scheme not in ("http", "https"):
            raise PageError("An address on the way is neither http nor https.")
        try:
            return self._browser.request(method, uri, data=fields, headers=headers, timeout=self._timeout_s)
        except requests.exceptions.SSLError:
            raise NetworkError("The server's certificate is not one this person trusts.") from None
        except requests.exceptions.RequestException as error:
            raise NetworkError(f"The server gave no answer ({type(error).__name__}).") from None

    def _read(self, answer: requests.Response) -> Page:
        if "html" not in answer.headers.get("content-type", "") or len(answer.content) > _MAX_PAGE_BYTES:
            raise PageError(
                f"The server answered {answer.status_code} with something that is no page.",
                answer.status_code,
            )
        page = Page(answer.text)
        if answer.status_code == 429:
            wait = answer.headers.get("retry-after", "")
            raise TooManyTries(
                page.alert or "The server asks to wait.", int(wait) if wait.isdecimal() else None
            )
        return page


def walk(
    uri: str, user_code: str, username: str, password: str,
    decision: Decision = "approve", ca_file: str | None = None,
) -> Walk:  # fmt: skip
    """One walk of one person; see Person.walk."""
    with Person(username, password, ca_file) as person:
        return person.walk(uri, user_code, decision)


def _main_form(page: Page) -> Form | None:
    """The form the page is about: the first that is not on every page anyway."""
    for form in page.forms:
        if not form.is_aside and form.of_kind("submit", "password", "text"):
            return form
    return None


def _choice(form: Form, decision: Decision) -> Field | None:
    """The button for `decision`, if the form lets one choose."""
    buttons = form.of_kind("submit")
    if len(buttons) < 2:
        return None
    words = _APPROVE if decision == "approve" else _DENY
    for button in buttons:
        said = f"{button.value} {button.label}".lower().replace(",", " ").split()
        if any(word in said for word in words):
            return button
    raise PageError(f"No button says that a person would {decision}.")


def _dead_end(page: Page, answer: requests.Response) -> str:
    said = page.alert or page.title or "nothing"
    return f"The walk ended early on a page that says: {said} (HTTP {answer.status_code})."


def _letters(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())
