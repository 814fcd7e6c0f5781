"""The agent's log on stderr: what it does and why, as much as --log-level asks for, as --log-format says."""
