"""A TCP proxy that does to a connection what networks do to it, with some faults made for MQTT.

async with FaultProxy(("127.0.0.1", 1883)) as proxy:
    ...                                 # a client connects to 127.0.0.1, proxy.port
    proxy.obey("hold-pubacks")          # the words of `pairlet sim faultproxy`, which are in faults.py
    proxy.obey("pass")
"""

from .faults import FaultError, Faults
from .proxy import FaultProxy, ProxyError

__all__ = ["FaultError", "FaultProxy", "Faults", "ProxyError"]
