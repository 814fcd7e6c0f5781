# mypy: ignore-errors
"""`ntptime` as on a board: a question over UDP, and machine.RTC set by the answer (RFC 4330)."""

import socket
import struct
import time as _time

import machine

host = "pool.ntp.org"
timeout = 1
# Seconds from NTP's epoch (1900) to that of the port, 2000 or 1970.
_FROM_1900 = 3155673600 if _time.gmtime(0)[0] == 2000 else 2208988800


def time():
    """Seconds since the epoch of the port, as the server says."""
    query = bytearray(48)
    query[0] = 0x1B  # version 3, client
    address = socket.getaddrinfo(host, 123, 0, socket.SOCK_DGRAM)[0][-1]
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asked.settimeout(timeout)
        asked.sendto(query, address)
        answer = asked.recv(48)
    except OSError as error:
        # A desktop's sockets say EAGAIN where a board's say that the time is up.
        raise OSError(110 if error.errno == 11 else error.errno) from None
    finally:
        asked.close()
    return struct.unpack("!I", answer[40:44])[0] - _FROM_1900


def settime():
    """Set the board's clock."""
    year, month, day, hour, minute, second, weekday, _ = _time.gmtime(time())
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
