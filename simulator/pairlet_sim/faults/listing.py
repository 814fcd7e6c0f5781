"""The table of all scenarios, for people and for programs."""

import os
import sys

from rich.console import Console
from rich.table import Table

from ..command_line import print_json, print_text
from .obligations import SECTIONS
from .scenarios import ALL


def list_as_json() -> None:
    """One line of JSON for each scenario."""
    for each in ALL:
        items = [{"item": item, "section": SECTIONS[item]} for item in each.items]
        print_json(
            "scenario", {"scenario": each.name, "about": each.about, "right": each.right, "items": items}
        )


def list_for_people() -> None:
    """A table where there is a terminal, else paragraphs."""
    if not is_terminal():
        for each in ALL:
            items = f" [{', '.join(map(str, each.items))}]" if each.items else ""
            print_text(f"{each.name}{items}\n    {each.about}\n    Right: {each.right}")
        return
    table = Table(caption="Items: of tests/conformance.toml; 38 to 43 go on with RFC 7009 and 8414.")
    table.add_column("name", no_wrap=True)
    table.add_column("what happens", ratio=1)
    table.add_column("what a right client does", ratio=1)
    table.add_column("items", no_wrap=True)
    for each in ALL:
        table.add_row(each.name, each.about, each.right, ", ".join(map(str, each.items)))
    Console().print(table)


def is_terminal() -> bool:
    """Whether stdout is a terminal that can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
