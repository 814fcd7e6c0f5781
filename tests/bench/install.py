"""How much a `pip install pairlet` without extras brings: distributions and bytes, by pip's own records."""

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from bench.figures import Figure, Setting, Skipped, Spread
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_OURS = "pairlet"
_AGENT = Path(__file__).resolve().parents[2] / "agent" / "pairlet"


def measure(setting: Setting) -> Iterator[Figure]:
    """Count what the base dependencies weigh here, compiled bytecode left out, and the agent itself."""
    needed = _closure(_OURS)
    setting.say(", ".join(sorted(needed)))
    sizes = {name: _bytes(each) for name, each in needed.items()}
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
    note = ", ".join(f"{name} {sizes[name] / 1e6:.1f}" for name in largest)
    own = sum(file.stat().st_size for file in _AGENT.rglob("*.py"))
    yield Figure("what the agent needs installed", Spread.of([len(needed)]), "dists")
    weight = Spread.of([sum(sizes.values()) / 1e6])
    yield Figure("what that weighs, without bytecode", weight, "MB", note=note)
    yield Figure("the agent's own sources", Spread.of([own / 1e6]), "MB")


def _closure(root: str) -> dict[str, Distribution]:
    """All distributions that `root` needs on this machine, itself and extras left out. Skipped without."""
    found: dict[str, Distribution] = {}
    waiting = [root]
    try:
        while waiting:
            name = waiting.pop()
            for text in distribution(name).requires or ():
                requirement = Requirement(text)
                wanted = canonicalize_name(requirement.name)
                applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
                if applies and wanted not in found:
                    found[wanted] = distribution(wanted)
                    waiting.append(wanted)
    except PackageNotFoundError as error:
        raise Skipped(f"{error.name} is not installed in this environment") from None
    return found


def _bytes(installed: Distribution) -> int:
    """The size of the files that pip put there, as they are on disk now."""
    paths = [Path(str(each.locate())) for each in installed.files or () if each.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file())
