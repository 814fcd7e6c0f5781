"""Desktop stand-ins for the cloud and the hardware. CPython only."""
