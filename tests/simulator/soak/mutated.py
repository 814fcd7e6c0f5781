"""Lives with one mutant of the agent: `python mutated.py NAME YEARS SEED SEEDS` prints a JSON object.

The mutant is made on the way from the file to the interpreter: no file is changed.
"""

import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

from mutants import MUTANTS, Mutant


class PatchingLoader(importlib.machinery.SourceFileLoader):
    """Loads a module of the agent with its mutant's changes."""

    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        """Compile the changed source, past all that is cached."""
        path = self.get_filename(fullname)
        return compile(self.mutant.apply(Path(path).read_text()), path, "exec", dont_inherit=True)


class Patcher:
    """Finds the one module that a mutant changes."""

    def __init__(self, mutant: Mutant):
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of that module with a loader that changes it; of no other."""
        if fullname != self._mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.origin is not None
        loader = PatchingLoader(fullname, spec.origin)
        loader.mutant = self._mutant
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def main(arguments: list[str]) -> int:
    """Live until a rule of those that the mutant must break is broken."""
    name, years, seed, seeds = arguments[0], float(arguments[1]), int(arguments[2]), int(arguments[3])
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    sys.meta_path.insert(0, Patcher(mutant))  # type: ignore[arg-type]
    from pairlet_sim.soak.life import live

    others: dict[str, int] = {}
    for number in range(seed, seed + seeds):
        life = live(number, years, mutant.given)
        if life.broken is None:
            continue
        rule, words = life.broken
        if rule in mutant.breaks:
            print(json.dumps({"seed": number, "rule": rule, "words": words, "others": others}))
            return 0
        others[rule] = number
    print(json.dumps({"seed": None, "others": others}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
