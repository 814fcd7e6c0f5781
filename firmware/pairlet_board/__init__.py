"""What a board needs besides the agent: its edges, for MicroPython 1.24 and newer."""
