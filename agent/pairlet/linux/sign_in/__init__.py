"""Signing in with the browser of this machine: the loopback address, its pages, and the browser's start."""
