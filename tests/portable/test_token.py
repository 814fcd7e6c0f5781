"""pairlet.core.token: reading it, and when to replace it."""

from pairlet.core.errors import ProtocolError
from pairlet.core.secret import Secret
from pairlet.core.token import Token
from scenario import ACCESS_TOKEN, REFRESH_TOKEN, make_token, refused, token_members


def test_reads_every_member():
    token = make_token(now=1000)
    assert token.access_token.reveal() == ACCESS_TOKEN and token.refresh_token.reveal() == REFRESH_TOKEN
    assert token.scope == "telemetry" and token.expires_in == 3600 and token.expires_at == 3601000


def test_item_34_bearer_in_any_case_and_nothing_else():
    for token_type in ("Bearer", "bearer", "BEARER"):
        assert make_token(token_type=token_type)
    for token_type in ("DPoP", "mac", "", "Bearer x", 5, ["Bearer"], True, "\x1b[2J"):
        members = token_members()
        members["token_type"] = token_type
        assert "\x1b" not in str(refused(ProtocolError, Token.from_answer, members, 0))
    refused(ProtocolError, make_token, token_type=None)


def test_an_access_token_is_required():
    refused(ProtocolError, make_token, access_token=None)
    for bad in ("", 5, ["x"], "hidden\r\n", "hidden\u00e9"):
        members = token_members()
        members["access_token"] = bad
        assert "hidden" not in str(refused(ProtocolError, Token.from_answer, members, 0))


def test_item_30_tokens_of_any_size_and_unknown_members():
    token = make_token(
        access_token="x" * 4096, refresh_token="y" * 16384, id_token="z", created_at=5, self="x", now_="x"
    )
    assert len(token.access_token.reveal()) == 4096 and len(token.refresh_token.reveal()) == 16384


def test_item_31_scope():
    assert make_token(scope="a").scope == "a"
    assert make_token(scope=None).scope == "telemetry"
    # Twitch sends a list.
    assert make_token(scope=["a", "b"]).scope == "a b"
    assert make_token(scope=["a", 5, None, "b"]).scope == "a b"
    for bad in (5, {}, "", [], [5]):
        assert make_token(scope=bad).scope == "telemetry", bad
    assert make_token(scope="a\x1b[2J\nb").scope == "a [2J b"


def test_lifetimes():
    for value, expires_in in ((1, 1), ("3600", 3600), (3599.5, 3600), ("3599.5", 3600), (10**12, 315360000)):
        token = make_token(expires_in=value)
        assert token.expires_in == expires_in and token.expires_at == 1000 * expires_in
    for bad in (0, -1, "soon", True, [], "nan"):
        token = make_token(expires_in=bad)
        assert token.expires_in is None and token.expires_at is None and token.remaining_ms(10**9) is None
    assert make_token(expires_in=None).expires_at is None


def test_remaining():
    token = make_token(now=1000, expires_in=10)
    assert token.remaining_ms(1000) == 10000 and token.remaining_ms(10999) == 1
    assert token.remaining_ms(11000) == 0 and token.remaining_ms(10**9) == 0


def test_refresh_at():
    # lifetime in s, chance, ms before the end
    for life, chance, ahead in (
        # Whatever its life: 2 s after it came at the soonest.
        (1, 0, -1000),
        (1, 255, -1000),
        (3, 0, 1000),
        (3, 255, 1000),
        (4, 0, 2000),
        (4, 255, 2000),
        (30, 0, 15000),
        (30, 255, 18000),
        (60, 0, 30000),
        (60, 255, 36000),
        (119, 0, 59500),
        (120, 0, 60000),
        (300, 0, 60000),
        (3600, 0, 720000),
        (3600, 255, 1080000),
        (3600, 51, 792000),
        (86400, 0, 17280000),
    ):
        token = make_token(now=777, expires_in=life)
        assert token.refresh_at(chance) == token.expires_at - ahead, (life, chance)


def test_refresh_at_leaves_a_life_and_is_spread():
    for life in (5, 6, 7, 30, 59, 60, 61, 299, 300, 301, 3600, 86400, 315360000):
        token = make_token(now=5, expires_in=life)
        points = [token.refresh_at(chance) for chance in range(256)]
        for point in points:
            assert isinstance(point, int)
            # Never in the first 40 % of its life: that would be a refresh without pause.
            assert 5 + 400 * life <= point < token.expires_at, life
        assert points == sorted(points, reverse=True)
        assert points[0] - points[255] == 100 * life, "jitter is a tenth of the life"
        if life >= 60:
            assert len(set(points)) == 256


def test_a_token_of_no_life_is_not_replaced_without_pause():
    for life in (1, 2, 3, 4):
        for chance in (0, 100, 255):
            assert make_token(now=5, expires_in=life).refresh_at(chance) >= 2005, life


def test_refresh_at_without_a_reason_or_a_way():
    assert make_token(refresh_token=None).refresh_at(0) is None
    assert make_token(expires_in=None).refresh_at(0) is None


def test_item_31_what_was_not_granted_is_known():
    token = make_token(scope="a b")
    assert token.not_granted("a b") == "" and token.not_granted("") == "" and token.not_granted("b a") == ""
    assert token.not_granted("a admin b write") == "admin write"
    assert token.not_granted("openid offline_access a") == "", "both are left out by many servers"
    alone = make_token(scope="a", refresh_token=None)
    assert alone.not_granted("openid offline_access a") == "offline_access"
    assert make_token(scope=None).not_granted("telemetry") == "", "nothing said: granted as asked"
    assert Token(Secret("x")).not_granted("a") == "", "nobody knows"
