"""A person with a browser in front of an authorization server's pages, ours or anybody's.

Knows no server: reads what is on the page, as a person would, and uses the fields and buttons it finds.
Never looks at addresses, so it doesn't notice which page it is on, only what the page wants.
"""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page

BUTTONS = {
    "approve": re.compile(r"\b(approve|allow|accept|authori[sz]e|confirm|continue|yes)\b", re.IGNORECASE),
    "deny": re.compile(r"\b(deny|decline|reject|refuse|abort|cancel|don.t allow|no)\b", re.IGNORECASE),
}
_PASSWORD = "input[type=password]:visible"
_USERNAME = "input[type=text]:visible, input[type=email]:visible, input:not([type]):visible"
_USER_CODE = "input[name=user_code]:visible"
_SUBMIT = "button:visible, input[type=submit]:visible"
_MOST_PAGES = 10

Look = Callable[[Page], None]


def approve_in_browser(
    page: Page,
    url: str,
    username: str,
    password: str,
    decision: str = "approve",
    *,
    user_code: str = "",
    look: Look | None = None,
) -> list[str]:
    """Open `url` (verification_uri, with or without the code) and go on until the pages ask for nothing more.

    Signs in where asked, types `user_code` where asked, then decides ("approve" or "deny"). Returns the text
    of every page seen, the outcome last; a page that asks again for what it was just given (a refused code or
    password) is the outcome too. `look` is called with every page before anything is done there.
    """
    page.goto(url)
    seen: list[str] = []
    done: set[str] = set()
    while True:
        page.locator(f"h1:visible, {_SUBMIT}").first.wait_for()
        seen.append(page.inner_text("body"))
        if look is not None:
            look(page)
        step, button = _next_step(page, username, password, decision, user_code)
        if button is None or step in done or "deny" in done:
            return seen
        assert len(seen) < _MOST_PAGES, f"the pages never end: {seen[-1]}"
        # Going on may take more than one page (consent after the code); nobody is asked anything else twice.
        if step != "approve":
            done.add(step)
        with page.expect_navigation():
            button.click()


def take_pictures(folder: Path, name: str) -> Look:
    """A `look` that keeps a picture of each page as `name`-1.png and so on in `folder`."""
    taken: list[Path] = []

    def look(page: Page) -> None:
        taken.append(folder / f"{name}-{len(taken) + 1}.png")
        page.screenshot(path=taken[-1], full_page=True)

    return look


def _next_step(
    page: Page, username: str, password: str, decision: str, user_code: str
) -> tuple[str, Locator | None]:
    """Fill in what the page asks for; return what that was and the button to press, if any."""
    if page.locator(_PASSWORD).count():
        page.locator(_USERNAME).first.fill(username)
        page.locator(_PASSWORD).fill(password)
        return "sign in", _button_of(page, _PASSWORD)
    if page.locator(_USER_CODE).count():
        if user_code:
            page.locator(_USER_CODE).fill(user_code)
        return "enter the code", _button_of(page, _USER_CODE)
    # A page that leaves no choice, such as the one that only sends the code on without JavaScript, isn't yet
    # where to say no.
    for step in (decision, "approve"):
        choices = page.get_by_role("button", name=BUTTONS[step])
        if choices.count():
            return step, choices.first
    return "", None


def _button_of(page: Page, field: str) -> Locator:
    """The button of the form that a field is in; by its `form` attribute it may be anywhere on the page."""
    form = page.locator("form").filter(has=page.locator(field))
    inside = form.locator(_SUBMIT)
    return inside.first if inside.count() else page.locator(f'[form="{form.get_attribute("id")}"]').first
