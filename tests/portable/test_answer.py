"""pairlet.core.answer: what an answer means, decided by its body; nothing raises."""

from pairlet.core.answer import ERROR, FAULT, SUCCESS, http_date, read_answer
from pairlet.core.errors import OAuthError, ProtocolError
from pairlet.core.http import Response
from scenario import answer, error, page, token_members


def kind(response):
    read = read_answer(response)
    if read.kind == SUCCESS:
        assert read.error is None
    elif read.kind == ERROR:
        assert isinstance(read.error, OAuthError)
    else:
        assert read.kind == FAULT and isinstance(read.error, ProtocolError)
    assert read.retry_after_ms >= 0
    return read.kind


def retry_after_ms(*headers):
    return read_answer(error("slow_down", 429, headers)).retry_after_ms


def test_members_without_an_error_under_2xx_are_a_success():
    for status in (200, 201, 202, 299):
        assert kind(answer({"a": 1}, status)) == SUCCESS
    assert read_answer(answer({"a": 1})).members == {"a": 1}
    # Some servers always send the member.
    assert kind(answer({"a": 1, "error": None})) == SUCCESS


def test_item_09_an_error_is_an_error_under_any_status_below_500():
    for status in (200, 201, 302, 400, 401, 403, 404, 428, 429, 499):
        read = read_answer(error("authorization_pending", status))
        assert read.kind == ERROR and read.error.error == "authorization_pending", status


def test_servers_that_say_pending_with_a_5xx_are_understood():
    for code in ("authorization_pending", "slow_down"):
        assert kind(error(code, 503)) == ERROR


def test_any_other_error_under_5xx_is_trouble_of_the_server():
    for code in ("invalid_grant", "access_denied", "expired_token", "invalid_client", "x"):
        for status in (500, 502, 503, 504, 599):
            assert kind(error(code, status)) == FAULT, (code, status)


def test_trouble_of_the_server_is_a_fault_under_any_status():
    for code in ("server_error", "temporarily_unavailable"):
        for status in (200, 400, 429, 503):
            assert kind(error(code, status)) == FAULT


def test_item_21_what_is_no_oauth_answer_is_a_fault():
    for response in (
        page(200),
        page(302, [("location", "https://portal/")]),
        page(429),
        page(502),
        page(503),
        page(404),
        answer(b""),
        answer(b"", 204),
        answer(b"ok"),
        answer([]),
        answer("x"),
        answer(None),
        answer({}, 400),
        answer({"a": 1}, 404),
        answer({"a": 1}, 503),
        answer({"message": "no"}, 429),
        answer({}, 302),
        answer(b'{"a":1', 200),
        answer(b"\xff", 400),
        Response(0, [], b""),
        Response(101, [], b"{}"),
        Response(999, [], b"{}"),
    ):
        assert kind(response) == FAULT, response


def test_a_fault_says_what_it_was():
    assert "portal" in str(read_answer(page(200)).error)
    assert "redirect" in str(read_answer(answer({}, 302)).error)
    assert "503" in str(read_answer(answer(b"", 503)).error)
    assert "twice" in str(read_answer(answer(b'{"a":1,"a":2}')).error)


def test_item_32_error_codes_of_the_allowed_characters_only():
    for code in ("a", "a b!", "#[]~", "x" * 100):
        assert kind(error(code)) == ERROR, code
    for code in (
        "",
        'a"b',
        "a\\b",
        "a\nb",
        "\x1b[2J",
        "\x7f",
        "é",
        "\u202e",
        "x" * 101,
        5,
        1.5,
        True,
        ["a"],
        {"a": 1},
    ):
        read = read_answer(error(code))
        assert read.kind == FAULT, code
        assert "\x1b" not in str(read.error) and "\n" not in str(read.error)


def test_descriptions_are_cleaned():
    read = read_answer(error("invalid_scope", error_description="\x1b[31mno\r\nsuch\u202escope" + "x" * 500))
    text = str(read.error)
    assert "\x1b" not in text and "\n" not in text and "\u202e" not in text
    assert len(read.error.error_description) <= 200
    for description in (5, ["a"], None, {"a": 1}):
        assert (
            read_answer(error("invalid_scope", error_description=description)).error.error_description is None
        )


def test_item_30_unknown_members_are_ignored():
    members = token_members(strange={"deep": [1]}, error_uri="https://a/", self="x", members=1, status=7)
    assert kind(answer(members)) == SUCCESS
    assert kind(error("access_denied", error_uri="x", trace_id="y")) == ERROR


def test_retry_after_in_seconds():
    for value, ms in (("0", 0), ("1", 1000), (" 120 ", 120000), ("3600", 3600000), ("007", 7000)):
        assert retry_after_ms(("retry-after", value)) == ms, value


def test_retry_after_is_never_more_than_an_hour():
    for value in ("3601", "999999999", "9999999999", "9" * 5000):
        assert retry_after_ms(("retry-after", value)) == 3600000, value[:12]


def test_retry_after_that_makes_no_sense_is_none():
    for value in (
        "",
        " ",
        "-5",
        "1.5",
        "soon",
        "1e3",
        "0x10",
        "٣",
        "½",
        "5 s",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "\x00",
    ):
        assert retry_after_ms(("retry-after", value)) == 0, value
    assert retry_after_ms() == 0


def test_retry_after_as_a_date_is_measured_against_the_answers_own():
    date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT")
    assert retry_after_ms(date, ("retry-after", "Sun, 06 Nov 1994 08:51:07 GMT")) == 90000
    assert retry_after_ms(date, ("retry-after", "Sun, 06 Nov 1994 08:49:36 GMT")) == 0
    assert retry_after_ms(date, ("retry-after", "Mon, 07 Nov 1994 08:49:37 GMT")) == 3600000
    assert retry_after_ms(("date", "rubbish"), ("retry-after", "Sun, 06 Nov 1994 08:51:07 GMT")) == 0


def test_retry_after_goes_with_faults_as_well():
    assert read_answer(page(503, [("retry-after", "30")])).retry_after_ms == 30000
    assert read_answer(answer({}, 429, [("retry-after", "30")])).retry_after_ms == 30000


def test_dates():
    for text, seconds in (
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Tue, 29 Feb 2000 12:00:00 GMT", 951825600),
        ("Mon, 01 Mar 2100 00:00:00 GMT", 4107542400),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800),
    ):
        assert http_date(text) == seconds, text


def test_what_is_no_date():
    for text in (
        "",
        " ",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08:49:37:1 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 99999 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 ::: GMT",
        "Sun, 06  1994 08:49:37 GMT",
    ):
        assert http_date(text) is None, text
