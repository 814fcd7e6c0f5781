"""What joins the agent to Linux: one module an edge, each behind a port of pairlet.ports."""
