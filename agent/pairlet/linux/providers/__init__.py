"""Profiles of providers: what each one's OAuth takes, as a file of TOML that anybody can add to.

agent/README.md describes the keys; the files are beside this one. No provider's name is in the code.
"""

from .profile import Profile
from .reading import names, read

__all__ = ["Profile", "names", "read"]
