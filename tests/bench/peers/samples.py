"""The sample that all candidates of `./run bench telemetry` publish: 120 bytes of JSON."""

VALUES = {"cpu_load_percent": 14.2, "cpu_temperature_celsius": 48.3, "memory_used_percent": 37.9}
BEGIN_MS = 1795000000000
