"""Boards for the tests of the virtual board."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pairlet_sim.board import VirtualBoard
from support import micropython


@pytest.fixture
def make_board() -> Iterator[Callable[..., VirtualBoard]]:
    """Makes boards that have started and wait at the prompt (or run main.py); all end with the test."""
    interpreter = micropython.required()
    with ExitStack() as stack:

        def make(**fields: Any) -> VirtualBoard:
            board = stack.enter_context(VirtualBoard(micropython=interpreter, **fields))
            board.wait_for_boot()
            return board

        yield make


@pytest.fixture
def board(make_board: Callable[..., VirtualBoard], tmp_path: Path) -> VirtualBoard:
    """A Pico W with an empty flash in tmp_path/flash.bin."""
    return make_board(flash=tmp_path / "flash.bin")
