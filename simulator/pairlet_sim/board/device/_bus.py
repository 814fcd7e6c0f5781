# mypy: ignore-errors
"""I2C: what is written goes to the devices that the host has at the bus."""

import _layout
import _wire


class SoftI2C:
    """The bus of `machine`. A device that is not there is an OSError with the errno of the port."""

    # Bit-banged buses and ESP32 say ENODEV, the RP2040's own hardware EIO.
    _absent = 19

    def __init__(self, *unused, scl=None, sda=None, freq=400000, timeout=50000):
        self._pins = (scl, sda)

    def init(self, **unused):
        """Settings make no difference."""

    def deinit(self):
        """There is nothing to switch off."""

    def scan(self):
        """The addresses that answer."""
        present = _wire.read(_layout.I2C_PRESENT, 16)
        return [address for address in range(8, 120) if present[address >> 3] & 1 << (address & 7)]

    def _check(self, address):
        present = _wire.read(_layout.I2C_PRESENT, 16)
        if not (0 <= address < 128 and present[address >> 3] & 1 << (address & 7)):
            raise OSError(self._absent)

    def writeto(self, addr, buf, stop=True):
        """Write bytes; returns how many were acknowledged."""
        return self.writevto(addr, (buf,), stop)

    def writevto(self, addr, vector, stop=True):
        """Write several buffers as one message."""
        self._check(addr)
        size = sum(len(part) for part in vector)
        message = bytearray(size + 2)
        message[0] = _layout.I2C_WRITE[0]
        message[1] = addr
        place = 2
        for part in vector:
            message[place : place + len(part)] = part
            place += len(part)
        _wire.tell_bytes(message)
        return size

    def readfrom(self, addr, nbytes, stop=True):
        """Read bytes."""
        buffer = bytearray(nbytes)
        self.readfrom_into(addr, buffer)
        return bytes(buffer)

    def readfrom_into(self, addr, buf, stop=True):
        """Read until `buf` is full."""
        self._check(addr)
        for place in range(0, len(buf), _layout.MOST):
            size = min(_layout.MOST, len(buf) - place)
            answer = _wire.ask(_layout.I2C_READ, bytes((addr, size)))
            buf[place : place + size] = answer[:size]

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        """Write to a register of the device."""
        self.writevto(addr, (memaddr.to_bytes(addrsize // 8, "big"), buf))

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        """Read from a register of the device."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big"))
        return self.readfrom(addr, nbytes)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        """Read from a register of the device until `buf` is full."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big"))
        self.readfrom_into(addr, buf)


class I2C(SoftI2C):
    """The bus on the chip's own hardware."""

    _absent = 19 if _wire.esp32 else 5

    def __init__(self, id=0, **options):
        if id not in (0, 1):
            raise ValueError("I2C(%s) doesn't exist" % id)
        super().__init__(**options)
