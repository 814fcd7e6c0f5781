"""The token agent: gives the access token of the running agent to other programs, over a Unix socket."""
