"""Wall-clock time with how far it may be trusted. Boards have no clock that runs while they are off."""

from collections import namedtuple

UNSET = "unset"  # no idea: dates must not be judged
FLOOR = "floor"  # not before this: good enough to reject what lies before it
SYNCED = "synced"  # set by the network or kept by a real-time clock

# state: one of the above; seconds: Unix time as int, or None while unset.
Wall = namedtuple("Wall", ("state", "seconds"))
