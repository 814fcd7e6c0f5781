"""`pairlet demo` at a terminal that stops, goes away or is left in the middle of a picture."""

import contextlib
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ports import free_port
from support.processes import marked_environment, marked_processes, until
from support.terminal import CursorTerminal, Session, at_terminal

CTRL_C, CTRL_S, CTRL_Q = "\x03", "\x13", "\x11"


class Scene:
    """A demo at a terminal, and what is left of it."""

    def __init__(self, session: Session, mark: str, folder: Path):
        self.session, self.mark, self.folder = session, mark, folder

    def leaves_nothing(self) -> None:
        """No process and no folder."""
        until(lambda: not marked_processes(self.mark), "every process of the demo to end")
        assert list(self.folder.iterdir()) == []


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A demo that waits for a person."""
    environ, mark = marked_environment(TMPDIR=str(tmp_path))
    words = ["demo", "--no-browser", "--port", str(free_port())]
    with at_terminal(words, screen=CursorTerminal, environ=environ) as session:
        session.wait_for(lambda screen: "shows the code" in screen.text())
        yield Scene(session, mark, tmp_path)


def test_ctrl_c_leaves_a_whole_picture_and_the_terminal_as_it_was(scene: Scene) -> None:
    session = scene.session
    assert session.is_undisturbed
    session.type(CTRL_C)
    assert session.end() == 130
    assert not session.is_undisturbed
    assert "Traceback" not in session.screen.text()
    assert session.screen.text().rstrip().endswith("The demo is over; nothing is left running.")
    scene.leaves_nothing()


def test_a_terminal_that_is_stopped_stops_nothing_else(scene: Scene) -> None:
    session = scene.session
    issuer = re.search(r"server (http://\S+)", session.screen.text())
    assert issuer

    def left() -> str:
        found = re.search(r"\d+:\d\d left", session.screen.text())
        return found[0] if found else ""

    session.type(CTRL_S)
    # What is on its way when Ctrl-S is pressed still arrives.
    until(lambda: stands_still(session), "the picture to stand still")
    stopped = left()
    for _ in range(3):
        with urllib.request.urlopen(
            f"{issuer[1]}/.well-known/oauth-authorization-server", timeout=20
        ) as answer:
            assert answer.status == 200
    assert left() == stopped
    session.type(CTRL_Q)
    session.wait_for(lambda screen: left() not in ("", stopped))
    session.type(CTRL_C)
    assert session.end() == 130
    scene.leaves_nothing()


def stands_still(session: Session) -> bool:
    """Whether nothing has come for 3 s, in which a running picture would have changed."""
    size = len(session.raw)
    with contextlib.suppress(AssertionError):
        session.wait_for(lambda screen: len(session.raw) > size, timeout=3)
        return False
    return True


def test_a_window_that_is_closed_leaves_nothing(scene: Scene) -> None:
    scene.session.hang_up()
    scene.leaves_nothing()
    scene.session.process.wait(60)
