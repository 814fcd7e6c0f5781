# mypy: ignore-errors
"""The board's end of the wires to the host: registers, link and events. Runs on MicroPython.

Numbers of open files come in `sys.argv`; no path of the host is known here.
"""

import _thread
import struct
import sys

import _layout

# An open file has one position: a handler in the other thread must not move it between two calls.
_register_lock = _thread.allocate_lock()
_answer_lock = _thread.allocate_lock()
link_number, events_number, registers_number, flash_number, trace_number, block_count = (
    int(word) for word in sys.argv[1:7]
)
esp32 = sys.argv[7] == "esp32"
_link = open(link_number, "r+b")  # noqa: SIM115
_registers = open(registers_number, "r+b")  # noqa: SIM115
_asked = 0


def read(offset, size):
    """`size` bytes of the registers from `offset` on."""
    with _register_lock:
        _registers.seek(offset)
        return _registers.read(size)


def write(offset, data):
    """Put bytes into the registers."""
    with _register_lock:
        _registers.seek(offset)
        _registers.write(data)


def tell(kind, *values):
    """Send a message of single bytes; it is not answered."""
    _link.write(kind + bytes(values))


def tell_bytes(message):
    """Send a whole message; it is not answered."""
    _link.write(message)


def ask(kind, payload=b""):
    """Send a message and wait for its answer, `_layout.REPLY` bytes."""
    global _asked
    with _answer_lock:
        _asked = (_asked + 1) & 255
        _link.write(kind + bytes([_asked]) + payload)
        while True:
            answer = _link.read(_layout.REPLY)
            # Ctrl-C may have taken away somebody who was waiting for an earlier one.
            if answer[-1] == _asked:
                return answer


def clock_offset():
    """Milliseconds between the host's clock and the board's."""
    return struct.unpack("<q", read(_layout.CLOCK, 8))[0]


def set_clock_offset(milliseconds):
    """Set the board's clock, for as long as it has power."""
    write(_layout.CLOCK, struct.pack("<q", milliseconds))


def reset(cause, sleep_ms=0):
    """End this interpreter at once, whatever it is doing, as a reset does."""
    ask(_layout.RESET, bytes([cause]) + struct.pack("<I", sleep_ms))
