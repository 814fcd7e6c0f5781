# mypy: ignore-errors
"""`network` as on a Pico W or an ESP32: one station, whose air is the host's. No key is kept here."""

import struct

import _layout
import _wire

STA_IF, AP_IF = 0, 1
AUTH_OPEN, AUTH_WPA2_PSK = 0, 3
if _wire.esp32:
    STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
    STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, STAT_ASSOC_FAIL, STAT_BEACON_TIMEOUT = 201, 202, 203, 200
    STAT_HANDSHAKE_TIMEOUT = 204
    _STATES = (1000, 1001, 1001, 1010, 202, 201, 200)
else:
    STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 1, 3
    STAT_WRONG_PASSWORD, STAT_NO_AP_FOUND, STAT_CONNECT_FAIL = -3, -2, -1
    _STATES = (0, 1, 2, 3, -3, -2, 0)
_hostname = "mpy-esp32" if _wire.esp32 else "PicoW"
_country = "XX"


def hostname(name=None):
    """Get or set the name that the board gives itself."""
    global _hostname
    if name is None:
        return _hostname
    _hostname = name


def country(code=None):
    """Get or set the country that the radio's rules are taken from."""
    global _country
    if code is None:
        return _country
    _country = code


class WLAN:
    """The Wi-Fi station."""

    IF_STA, IF_AP = STA_IF, AP_IF
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0x10, 0xA11142, 0xA11C82
    if _wire.esp32:
        PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2
    SEC_OPEN, SEC_WPA2 = AUTH_OPEN, AUTH_WPA2_PSK
    _ssid = ""
    _settings = {"pm": PM_PERFORMANCE, "channel": 6, "txpower": 31, "reconnects": -1, "country": _country}

    def __init__(self, interface=STA_IF):
        if interface != STA_IF:
            raise ValueError("a virtual board is a station, no access point")

    def active(self, on=None):
        """Get or set whether the radio is on."""
        if on is None:
            return bool(_wire.read(_layout.RADIO_ON, 1)[0])
        _wire.ask(_layout.WIFI_ACTIVE, bytes([bool(on)]))

    def connect(self, ssid=None, key=None, *, bssid=None, security=None, password=None):
        """Begin to join; status() tells how it goes."""
        name = (WLAN._ssid if ssid is None else ssid).encode()
        secret = (key or password or "").encode()
        if not self.active():
            raise OSError("Wifi Not Started") if _wire.esp32 else OSError(1)
        if len(name) > 32 or len(secret) > 64:
            raise ValueError("SSID or key too long")
        WLAN._ssid = name.decode()
        _wire.ask(_layout.WIFI_JOIN, bytes([len(name)]) + name + secret)

    def disconnect(self):
        """Leave."""
        _wire.ask(_layout.WIFI_LEAVE)

    def deinit(self):
        """Leave and switch the radio off."""
        self.active(False)

    def isconnected(self):
        """Whether the board has an address and the access point is there."""
        return _wire.read(_layout.WIFI, 1)[0] == _layout.WIFI_UP

    def status(self, param=None):
        """A STAT_ constant of the port, or with "rssi" the signal in dBm."""
        if param == "rssi":
            return self._rssi()
        if param is not None:
            raise ValueError("unknown status param")
        return _STATES[_wire.read(_layout.WIFI, 1)[0]]

    def ifconfig(self, fields=None):
        """(address, mask, gateway, name server); setting them changes nothing."""
        if fields is not None:
            return None
        if not self.isconnected():
            return ("0.0.0.0", "0.0.0.0" if _wire.esp32 else "255.255.255.0", "0.0.0.0", "0.0.0.0")
        address = [str(part) for part in _wire.read(_layout.ADDRESS, 4)]
        gateway = ".".join(address[:3] + ["1"])
        return (".".join(address), "255.255.255.0", gateway, gateway)

    def ipconfig(self, param=None, **settings):
        """`addr4`, `gw4`, `has_dhcp4`, `dhcp4`."""
        address, mask, gateway, _ = self.ifconfig()
        values = {"addr4": (address, mask), "gw4": gateway, "has_dhcp4": self.isconnected(), "dhcp4": True}
        return values.get(param)

    def config(self, param=None, **settings):
        """One value by its name, or set some."""
        if param is None:
            for name in settings:
                if name in ("hostname", "dhcp_hostname"):
                    hostname(settings[name])
                elif name in self._settings:
                    self._settings[name] = settings[name]
                else:
                    raise ValueError("unknown config param")
            return None
        if param == "mac":
            return _wire.read(_layout.MAC, 6)
        if param in ("ssid", "essid"):
            return WLAN._ssid
        if param in ("hostname", "dhcp_hostname"):
            return hostname()
        if param == "rssi":
            return self._rssi()
        if param in self._settings:
            return self._settings[param]
        raise ValueError("unknown config param")

    def scan(self):
        """[(ssid, bssid, channel, RSSI, security, hidden), ...]"""
        found = []
        while True:
            answer = _wire.ask(_layout.WIFI_SCAN, bytes([len(found)]))
            there, rssi, security, channel = struct.unpack("<BbBB", answer[:4])
            if not there:
                return found
            found.append((answer[10:42].rstrip(b"\0"), answer[4:10], channel, rssi, security, False))

    def _rssi(self):
        if not self.isconnected():
            return 0
        return struct.unpack("<b", _wire.read(_layout.RSSI, 1))[0]
