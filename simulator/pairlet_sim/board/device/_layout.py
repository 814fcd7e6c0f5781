"""What the host and the interpreter of a virtual board agree on. Constants only: read by both.

Three open files join the two. The *registers* are a small file that both read and write at any time: what the
world around the board is like. The *link* takes messages from the board to the host, one datagram each, the
first byte says what it is. The *events* go from the host to the board: edges at pins.
"""

# ---- registers: offset and size in bytes -----------------------------------------------------

RESET_CAUSE = 0  # one of the causes below
RAW_MODE = 1  # 1: after a soft reset out of the raw REPL, main.py is left out
INTERRUPT = 6  # the character that interrupts the running program, 255 for none; written by the board
RUN = 7  # counts how often that was set, modulo 256; written together with it
WIFI = 3  # one of the states below
RSSI = 4  # dBm, signed
RADIO_ON = 5  # 0 or 1
MAC = 8  # 6 bytes
UNIQUE_ID = 14  # 8 bytes
ADDRESS = 22  # 4 bytes, the board's IPv4 address
CLOCK = 32  # 8 bytes, signed: milliseconds to add to the host's clock; written by both
I2C_PRESENT = 48  # 16 bytes: bit n is set if a device answers at address n
PINS = 64  # one byte for each pin: 0, 1 or FLOATING
ADC = 128  # two bytes for each channel: 0 to 65535
SIZE = 256

PIN_COUNT = 64
LED_PIN = 63  # the LED of a Pico W hangs on the radio and has no number
FLOATING = 255
NO_INTERRUPT = 255
TEMPERATURE_CHANNEL = 4
REPLY = 64  # every answer on the link is filled up to this many bytes; the last is the number of the question
MOST = 60  # bytes that one answer carries at most

POWER_ON, HARD_RESET, WATCHDOG, DEEP_SLEEP, SOFT_RESET = 1, 2, 3, 4, 5

WIFI_IDLE, WIFI_JOINING, WIFI_NO_ADDRESS, WIFI_UP, WIFI_WRONG_KEY, WIFI_NO_AP, WIFI_LOST = range(7)

# ---- messages on the link; those marked * have a number as second byte and are answered --------

BOOTED = b"B"
I2C_WRITE = b"i"  # address, data
I2C_READ = b"r"  # * address, how many (up to MOST)
PIN_OUT = b"p"  # pin, level
PIN_WATCH = b"q"  # pin: send its edges as events
WATCHDOG_START = b"w"  # * 4 bytes: milliseconds
WATCHDOG_FEED = b"f"
WIFI_ACTIVE = b"a"  # * 0 or 1
WIFI_JOIN = b"j"  # * length of the SSID, SSID, key
WIFI_LEAVE = b"l"  # *
WIFI_SCAN = b"s"  # * number of the network; answer: 1, RSSI, security, channel, BSSID (6), SSID
RESOLVE = b"n"  # * 1 for UDP, port (2), name; answer: errno (1), port on loopback (2)
RESET = b"x"  # * cause, 4 bytes: milliseconds of sleep; there is no answer, the process ends
RAW_OUTPUT = b"o"  # * bytes for the serial port that nobody may change
