"""What a command, and what Home Assistant is told, takes for a moment; read in to forget it, and with it."""

from .memory import unload

_OF_EVENT = {
    "command": [
        "pairlet.commanding", "pairlet.ordering", "pairlet.handling", "pairlet.core.command",
        "pairlet.core.handlers", "pairlet.core.json_object", "pairlet.remote_settings", "pairlet.unpairing",
    ],
    "announced": ["pairlet.core.homeassistant", "pairlet.core.quantity", "pairlet.core.json_object"],
}  # fmt: skip


def forget(event: str) -> None:
    """Let go of what led to `event`: "command" or "announced"."""
    unload(_OF_EVENT[event] + ["pairlet_board.passing"])
