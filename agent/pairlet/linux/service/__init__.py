"""The agent as a service of systemd: its unit file, and putting it there."""
