"""pairlet.core.device_grant.DeviceCode: the device authorization response (RFC 8628 section 3.2)."""

from pairlet.core.device_grant import DeviceCode
from pairlet.core.errors import ProtocolError
from scenario import DEVICE_CODE, code_members, refused


def read(since=0, insecure_http=False, **changes):
    return DeviceCode.from_answer(code_members(**changes), since, insecure_http)


def test_reads_every_member():
    code = read(since=1000)
    assert code.device_code.reveal() == DEVICE_CODE
    assert code.user_code == "WDJB-MJHT"
    assert code.verification_uri == "https://auth.example/device"
    assert code.verification_uri_complete == "https://auth.example/device?user_code=WDJB-MJHT"
    assert code.expires_at == 901000 and code.interval_ms == 5000


def test_item_07_five_seconds_without_an_interval():
    assert read(interval=None).interval_ms == 5000
    members = code_members()
    members["interval"] = None
    assert DeviceCode.from_answer(members, 0, False).interval_ms == 5000


def test_item_07_an_interval_that_makes_no_sense_counts_as_none():
    for bad in (0, -1, -5.5, "", "soon", "0", "-3", True, False, [], {}, [5], "nan"):
        members = code_members()
        members["interval"] = bad
        assert DeviceCode.from_answer(members, 0, False).interval_ms == 5000, bad
    members["interval"] = float("nan")
    assert DeviceCode.from_answer(members, 0, False).interval_ms == 5000


def test_intervals_as_servers_write_them():
    for value, interval_ms in ((1, 1000), ("7", 7000), (2.5, 3000), ("2.5", 3000), (30, 30000)):
        assert read(interval=value).interval_ms == interval_ms


def test_a_huge_interval_is_capped():
    for value in (3601, 5000, 10**20, float("inf")):
        assert read(interval=value).interval_ms == 3600000


def test_item_08_the_required_members_are_required():
    for name in ("device_code", "user_code", "verification_uri", "expires_in"):
        for nothing in (None, ""):
            members = code_members()
            members[name] = nothing
            assert name in str(refused(ProtocolError, DeviceCode.from_answer, members, 0, False))
        members.pop(name)
        refused(ProtocolError, DeviceCode.from_answer, members, 0, False)
    refused(ProtocolError, DeviceCode.from_answer, {}, 0, False)


def test_item_08_an_end_that_makes_no_sense_is_no_end():
    for bad in (0, -1, "soon", True, [], "nan"):
        refused(ProtocolError, read, expires_in=bad)


def test_an_end_as_servers_write_it():
    for value, expires_at in (
        (1, 1000),
        ("600", 600000),
        (599.2, 600000),
        (86400, 86400000),
        (10**12, 86400000),
    ):
        assert read(expires_in=value).expires_at == expires_at


def test_the_complete_address_is_optional():
    for nothing in (None, ""):
        assert read(verification_uri_complete=nothing).verification_uri_complete is None


def test_the_name_that_early_servers_use():
    members = code_members(verification_uri=None, verification_uri_complete=None)
    members["verification_url"] = "https://www.google.example/device"
    members["verification_url_complete"] = "https://www.google.example/device?c=1"
    code = DeviceCode.from_answer(members, 0, False)
    assert code.verification_uri == "https://www.google.example/device"
    assert code.verification_uri_complete == "https://www.google.example/device?c=1"


def test_item_04_addresses_must_be_https():
    for name in ("verification_uri", "verification_uri_complete"):
        for bad in (
            "http://auth.example/device",
            "javascript:alert(1)",
            "auth.example/device",
            "https://a@evil/",
            "https://a/#b",
        ):
            members = code_members()
            members[name] = bad
            error = refused(ProtocolError, DeviceCode.from_answer, members, 0, False)
            assert name in str(error)
    members = code_members(verification_uri="http://127.0.0.1:8628/device", verification_uri_complete=None)
    assert DeviceCode.from_answer(members, 0, True).verification_uri == "http://127.0.0.1:8628/device"
    refused(ProtocolError, DeviceCode.from_answer, members, 0, False)


def test_what_steers_a_screen_is_refused():
    for bad in ("WDJB\x1b[2J", "A\nB", "A\u202eB", "x" * 65, 12345, ["A"], "\u200bAB"):
        refused(ProtocolError, read, user_code=bad)
    for bad in (
        "https://auth.example/\x1b[2J",
        "https://auth.example/\u202e",
        5,
        "https://auth.example/" + "x" * 2048,
    ):
        refused(ProtocolError, read, verification_uri=bad)


def test_item_11_the_device_code_is_a_secret():
    code = read()
    assert DEVICE_CODE not in repr(code) + str(code) + repr(code.device_code) + "%s" % code.device_code
    for bad in ("hidden\n", "hidden\u00e9", 5, ["hidden"], "hidden" * 2731):
        error = refused(ProtocolError, read, device_code=bad)
        assert "hidden" not in str(error) + repr(error)


def test_item_30_long_values_and_unknown_members():
    code = read(device_code="x" * 4096, message="To sign in, use ...", interval_hint=[1], self="x")
    assert len(code.device_code.reveal()) == 4096
