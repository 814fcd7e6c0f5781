"""A local endpoint that says how the agent stands: /health in one line, /metrics for Prometheus."""
