"""Pairlet pairs a device that has no keyboard with a person's account and keeps it signed in."""

__version__ = "0.1.0"
