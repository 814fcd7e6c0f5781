"""The board's QR encoder, the same on both interpreters. tests/firmware/test_qr_oracles.py asks others.

Capacities: ISO/IEC 18004:2015, table 7.
"""

import binascii

from pairlet.core.errors import ProtocolError
from pairlet_board import qr

ADDRESS = "https://example.com/device"

# Version, level, the mask chosen, CRC-32 of the bitmap. The oracles judge the same symbols on CPython.
DRAWN = [
    (1, "L", 3, 0xB05EA08C),
    (1, "M", 4, 0x3A96FE08),
    (2, "L", 6, 0x67224622),
    (2, "M", 6, 0x9DBED89A),
    (3, "L", 1, 0x19E8117E),
    (3, "M", 1, 0x818A7E3D),
    (4, "L", 0, 0x3434B834),
    (4, "M", 2, 0xD73C0C87),
    (5, "L", 0, 0x0280DA93),
    (5, "M", 6, 0x2F64516E),
    (6, "L", 2, 0x98D1002B),
    (6, "M", 1, 0x75A727BE),
    (7, "L", 4, 0xA95DE025),
    (7, "M", 0, 0xDD6796E7),
    (8, "L", 4, 0x6324DD7B),
    (8, "M", 2, 0xBC80B947),
    (9, "L", 3, 0xC6BF0F1C),
    (9, "M", 2, 0xE598F114),
    (10, "L", 2, 0x6BBF026B),
    (10, "M", 0, 0x67EA3731),
]
CAPACITIES = {
    ("7", "L"): (41, 77, 127, 187, 255, 322, 370, 461, 552, 652),
    ("7", "M"): (34, 63, 101, 149, 202, 255, 293, 365, 432, 513),
    ("Z", "L"): (25, 47, 77, 114, 154, 195, 224, 279, 335, 395),
    ("Z", "M"): (20, 38, 61, 90, 122, 154, 178, 221, 262, 311),
    ("z", "L"): (17, 32, 53, 78, 106, 134, 154, 192, 230, 271),
    ("z", "M"): (14, 26, 42, 62, 84, 106, 122, 152, 180, 213),
}


def text_for(version):
    """The text of the symbols in DRAWN."""
    return "https://a.co/%d" % version if version > 1 else "A1/b"


def refusal(text, level=None, version=None):
    """What encode says no with; "" if it does not."""
    try:
        qr.encode(text, level, None, version)
        return ""
    except ProtocolError as error:
        return str(error)


def test_every_symbol_is_the_same_on_both_interpreters():
    for version, level, mask, crc in DRAWN:
        code = qr.encode(text_for(version), level, None, version)
        assert (code.version, code.level, code.mask) == (version, level, mask)
        assert binascii.crc32(bytes(code.bits)) == crc, (version, level)


def test_a_symbol_holds_as_much_as_the_standard_says_and_no_more():
    for kind, sizes in CAPACITIES.items():
        character, level = kind
        for index in range(10):
            assert qr.smallest_version(character * sizes[index], level) == index + 1
            larger = index + 2 if index < 9 else 0
            assert qr.smallest_version(character * (sizes[index] + 1), level) == larger


def test_an_address_as_servers_send_it_fits_into_version_3():
    code = qr.encode(ADDRESS + "?user_code=WDJB-MJHT")
    assert (code.version, code.level, code.size) == (3, "L", 29)


def test_level_m_is_taken_where_it_costs_nothing():
    assert qr.encode("x" * 14).level == "M"
    assert qr.encode("x" * 15).level == "L"
    assert qr.encode("x" * 15).version == 1


def test_all_around_the_symbol_it_is_light():
    code = qr.encode("1")
    assert code.get(0, 0)
    for x, y in ((-1, 0), (0, -1), (21, 0), (0, 21), (-5, -5), (500, 500)):
        assert not code.get(x, y)


def test_the_three_corners_have_finder_patterns_with_a_light_edge():
    code = qr.encode("1")
    dark = [[1] * 7, [1, 0, 0, 0, 0, 0, 1], [1, 0, 1, 1, 1, 0, 1]]
    for left, top in ((0, 0), (code.size - 7, 0), (0, code.size - 7)):
        for row, wanted in ((0, 0), (1, 1), (2, 2), (3, 2), (4, 2), (5, 1), (6, 0)):
            assert [int(code.get(left + x, top + row)) for x in range(7)] == dark[wanted]
    assert not [at for at in range(8) if code.get(7, at) or code.get(at, 7)]


def test_a_text_that_is_too_long_is_refused_in_words():
    assert "does not fit" in refusal("x" * 272)
    assert "does not fit" in refusal("")
    assert "does not fit" in refusal("x" * 20, None, 1)
    assert "does not fit" in refusal("x" * 15, "M", 1)
    assert refusal("x" * 271) == ""


def test_letters_beyond_ascii_count_as_their_bytes():
    assert qr.smallest_version("\u00e9" * 8) == 1
    assert qr.smallest_version("\u00e9" * 9) == 2


def test_capitals_are_chosen_only_where_the_address_stays_the_same():
    same = [
        ("https://example.com/D/WDJB-MJHT", "HTTPS://EXAMPLE.COM/D/WDJB-MJHT"),
        ("https://a.co:8443", "HTTPS://A.CO:8443"),
        ("https://a.co/", "HTTPS://A.CO/"),
    ]
    for address, capitals in same:
        assert qr.upper_host(address) == capitals
    for address in (
        ADDRESS,
        "https://a.co/D?user_code=WDJB",
        "https://a.co?D/E",
        "https://me@a.co/D",
        "https://stra\u00dfe.example/D",
        "a.co/d",
        "WDJB-MJHT",
        "",
    ):
        assert qr.upper_host(address) == address
