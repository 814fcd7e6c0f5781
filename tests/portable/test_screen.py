"""core/screen.py: what a person reads off a display, and what the QR code holds."""

from pairlet.core.screen import (
    CODE,
    DENIED,
    EXPIRED,
    PAIRED,
    RUNNING,
    STARTING,
    TROUBLE,
    UNPAIRED,
    Screen,
    countdown,
)

ADDRESS = "https://example.com/device"


def test_countdown_reads_as_minutes_and_seconds():
    assert countdown(65) == "1:05"
    assert countdown(0) == "0:00"
    assert countdown(59) == "0:59"
    assert countdown(600) == "10:00"
    assert countdown(7200) == "120:00"


def test_countdown_does_not_go_below_zero():
    assert countdown(-1) == "0:00"
    assert countdown(-3600) == "0:00"


def test_the_qr_code_holds_the_complete_address_where_there_is_one():
    complete = ADDRESS + "?user_code=WDJB-MJHT"
    screen = Screen(CODE, verification_uri=ADDRESS, verification_uri_complete=complete)
    assert screen.qr_text == complete


def test_the_qr_code_holds_the_plain_address_otherwise():
    assert Screen(CODE, verification_uri=ADDRESS).qr_text == ADDRESS
    assert Screen(CODE, verification_uri=ADDRESS, verification_uri_complete="").qr_text == ADDRESS
    assert Screen(STARTING).qr_text == ""


def test_fields_that_are_not_given_are_empty():
    screen = Screen(RUNNING, message="all is well")
    assert screen.kind == RUNNING
    assert screen.message == "all is well"
    assert (screen.user_code, screen.scope, screen.advice, screen.remaining_s) == ("", "", "", 0)
    assert screen.verification_uri_complete is None


def test_repr_names_the_kind_and_not_the_code():
    shown = repr(Screen(CODE, user_code="WDJBMJHT"))
    assert CODE in shown
    assert "WDJBMJHT" not in shown


def test_the_kinds_are_told_apart():
    kinds = (STARTING, UNPAIRED, CODE, PAIRED, DENIED, EXPIRED, RUNNING, TROUBLE)
    assert len(set(kinds)) == len(kinds)
