"""The paths of the command line, looked at before a board is made."""

from pathlib import Path

from .settings import BoardError

# Address families have room for no more (unix(7)).
_LONGEST_SOCKET = 107


def check_places(**paths: Path | None) -> None:
    """BoardError for a path where no file can be, named by its option. None: that one is not given."""
    for name, path in paths.items():
        if path is None:
            continue
        if path.is_dir():
            raise BoardError(f"--{name} {path} is a folder; name a file in it.")
        if not path.parent.is_dir():
            raise BoardError(f"--{name} {path} can't be made: there is no folder {path.parent}.")
    link, control = paths.get("link"), paths.get("control")
    if link is not None and link.exists() and not link.is_symlink():
        raise BoardError(f"--link {link} is there already, and is no link; name another.")
    if control is not None and control.exists() and not control.is_socket():
        raise BoardError(f"--control {control} is there already, and is no socket; name another.")
    if control is not None and len(str(control).encode("utf-8", "surrogateescape")) > _LONGEST_SOCKET:
        raise BoardError(f"--control has more than {_LONGEST_SOCKET} bytes; name a shorter path.")
