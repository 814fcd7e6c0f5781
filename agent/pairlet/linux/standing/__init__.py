"""How a running agent stands, known in one place: log, systemd, status, health and metrics draw from it."""
