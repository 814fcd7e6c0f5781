"""Whatever comes over the wire, the parsers give a value or a typed error, and the value of the oracle."""

import json
import math
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pairlet.core import form, url
from pairlet.core.answer import ERROR, FAULT, SUCCESS, http_date, read_answer
from pairlet.core.device_grant import DeviceCode
from pairlet.core.errors import PairletError, ProtocolError
from pairlet.core.json_object import parse, seconds_member, secret_member, text_member
from pairlet.core.metadata import ServerMetadata
from pairlet.core.secret import Secret
from pairlet.core.text import clean, is_clean
from pairlet.core.token import Kept, Token
from pairlet.core.token_record import from_record, to_record
from pairlet.core.wall import FLOOR, SYNCED, UNSET, Wall
from support.wire import BODIES, LIKELY, MEMBERS, NAMES, PROPERTY, RESPONSES, SCALARS, VALUES

WALLS = st.one_of(
    st.just(Wall(UNSET, None)), st.builds(Wall, st.sampled_from([FLOOR, SYNCED]), st.integers(0, 2**40))
)


def strict_json(body: bytes) -> object:
    """json.loads of UTF-8 as RFC 8259 means it: no name twice in the outermost object, or ValueError."""
    text = body.decode("utf-8-sig")

    def pairs(found: list[tuple[str, object]]) -> object:
        return _Pairs(found)

    value = json.loads(text, object_pairs_hook=pairs)
    if isinstance(value, _Pairs):
        names = [name for name, _ in value.found]
        if len(names) != len(set(names)):
            raise ValueError("twice")
    return _plain(value)


class _Pairs:
    def __init__(self, found: list[tuple[str, object]]):
        self.found = found


def _plain(value: object) -> object:
    if isinstance(value, _Pairs):
        return {name: _plain(inner) for name, inner in value.found}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max([depth(inner) for inner in value.values()], default=0)
    if isinstance(value, list):
        return 1 + max([depth(inner) for inner in value], default=0)
    return 0


def same(left: object, right: object) -> bool:
    """Equality that takes NaN for NaN."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@PROPERTY
@given(BODIES)
@example(b'{"a":1,"a"' + b" " * 100 + b":2}")
@example(b'{"a":1')
@example(b'{"a"\x0b:1}')
@example(b'{"a":\xc2\xa01}')
@example(b"\xef\xbb\xbf\xef\xbb\xbf{}")
@example(b'{"a":"\\ud83d\\ude00"}')
def test_parse_agrees_with_json(body: bytes) -> None:
    try:
        oracle = strict_json(body)
    except (ValueError, RecursionError):
        oracle = None
    try:
        value = parse(body)
    except ProtocolError:
        assert not isinstance(oracle, dict) or depth(oracle) > 16
    else:
        assert same(value, oracle)


@PROPERTY
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6), st.sampled_from([None, 1, 4]), st.booleans())
def test_parse_reads_what_json_writes(
    members: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    try:
        body = json.dumps(members, indent=indent, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    assert same(parse(body), members)


@PROPERTY
@given(st.lists(st.tuples(st.text(max_size=3), SCALARS), min_size=2, max_size=5))
def test_parse_finds_every_repeat(pairs: list[tuple[str, object]]) -> None:
    body = (
        "{" + ",".join(f"{json.dumps(name)} : {json.dumps(value)}" for name, value in pairs) + "}"
    ).encode()
    names = [name for name, _ in pairs]
    if len(set(names)) == len(names):
        assert set(parse(body)) == set(names)
    else:
        with pytest.raises(ProtocolError, match="twice"):
            parse(body)


class CountedBytes(bytes):
    """Bytes that add up how many of them were looked at or copied."""

    touched = 0

    def __getitem__(self, key):  # type: ignore[no-untyped-def,override]
        found = super().__getitem__(key)
        self.touched += len(found) if isinstance(found, bytes) else 1
        return found

    def find(self, part, start=0, end=None):  # type: ignore[no-untyped-def,override]
        position = super().find(part, start)
        self.touched += (len(self) if position < 0 else position) - start
        return position


@pytest.mark.parametrize("unit", [b'"",', b'"\\\\",', b'"\\"",', b"1,", b"[],", b"  1,", b'"a":"b",'])
@pytest.mark.parametrize("opening", [b"[", b"{", b'{"a":['])
def test_parse_takes_time_in_proportion_to_the_size(opening: bytes, unit: bytes) -> None:
    # Counted, not timed. A scan that copies the rest at every string looks at millions here.
    body = CountedBytes(opening + unit * 2000)
    with pytest.raises(ProtocolError):
        parse(body)
    assert 0 < body.touched < 20 * len(body)


@PROPERTY
@given(st.dictionaries(NAMES, VALUES, max_size=4), NAMES, st.integers(1, 10**9))
def test_members_are_a_value_or_a_typed_error(members: dict[str, object], name: str, most: int) -> None:
    for read in (text_member, secret_member):
        try:
            value = read(members, name)
        except ProtocolError as error:
            assert is_clean(str(error))
        else:
            if isinstance(value, str):
                assert value and is_clean(value) and len(value) <= 2048
                value.encode()
            elif value is not None:
                assert all(32 <= ord(character) <= 126 for character in value.reveal())
    seconds = seconds_member(members, name, most)
    assert seconds is None or (type(seconds) is int and 1 <= seconds <= most)


@PROPERTY
@given(st.one_of(st.text("0123456789+-._eEinfa ٣\n", max_size=24), st.text(max_size=24)))
def test_seconds_as_text_never_raises(text: str) -> None:
    seconds = seconds_member({"n": text}, "n", 300)
    assert seconds is None or (type(seconds) is int and 1 <= seconds <= 300)


@PROPERTY
@given(st.floats(min_value=1e-300, max_value=1e6))
def test_seconds_are_never_shorter_than_told(number: float) -> None:
    seconds = seconds_member({"n": number}, "n", 10**7)
    assert seconds == math.ceil(number)


@PROPERTY
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=8), st.one_of(st.none(), st.text(max_size=20))), max_size=6
    )
)
def test_form_agrees_with_urllib(pairs: list[tuple[str, str | None]]) -> None:
    kept = [(name, value) for name, value in pairs if value]
    try:
        oracle = urlencode(kept, safe="*").replace("~", "%7E").encode()
    except UnicodeEncodeError:
        return
    assert form.encode(pairs) == oracle
    assert parse_qsl(form.encode(pairs).decode(), strict_parsing=bool(kept), encoding="utf-8") == kept


_URLS = st.one_of(
    st.from_regex(r"\A[hH]ttps?://[a-zA-Z0-9\-._\[\]:@]{1,20}(:[0-9]{0,6})?(/[!-~]{0,12})?(\?[!-~]{0,8})?\Z"),
    st.from_regex(r"\Ahttps?://\[[0-9a-fA-F:.]{1,20}\](:[0-9]{1,5})?/?\Z"),
    st.ip_addresses(v=6).map(lambda address: f"https://[{address}]:8443/x"),
    st.text(max_size=30).map(lambda text: "https://" + text),
    st.text(max_size=30),
)


@PROPERTY
@given(_URLS)
@example("https://a?b/c:d@e")
@example("https://a:00443/")
@example("https://[::ffff:127.0.0.1]/")
def test_url_split_agrees_with_urllib(text: str) -> None:
    parts = url.split(text)
    if parts is None:
        return
    if "[" in text.partition("://")[2].partition("/")[0]:
        try:
            ip_address(parts.host)
        except ValueError:
            return  # hex and colons that are no IPv6 address: harmless, the connection fails
    oracle = urlsplit(text)
    assert (parts.scheme, parts.host, parts.port) == (oracle.scheme, oracle.hostname, oracle.port)
    assert (parts.path, parts.query or "") == (oracle.path, oracle.query)
    assert oracle.username is None and oracle.password is None and not oracle.fragment
    parts.host.encode("idna")  # what a resolver does first


@PROPERTY
@given(st.ip_addresses(v=4))
@example(ip_address("127.0.0.1"))
@example(ip_address("127.255.255.254"))
def test_loopback_agrees_with_ipaddress(address: object) -> None:
    assert url.is_loopback(str(address)) == ip_address(str(address)).is_loopback


@PROPERTY
@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31)))
def test_http_date_agrees_with_email(moment: datetime) -> None:
    text = format_datetime(moment.replace(tzinfo=UTC, microsecond=0), usegmt=True)
    assert http_date(text) == int(parsedate_to_datetime(text).timestamp())


@PROPERTY
@given(
    st.one_of(
        st.text(max_size=40), st.from_regex(r"\A..., \d{1,3} (Jan|Feb|Xyz) \d{2,5} [\d:]{0,9} (GMT|UTC)\Z")
    )
)
def test_http_date_never_raises(text: str) -> None:
    seconds = http_date(text)
    assert seconds is None or (type(seconds) is int and seconds >= 0)


@PROPERTY
@given(RESPONSES)
def test_read_answer_never_raises(response: object) -> None:
    answer = read_answer(response)  # type: ignore[arg-type]
    assert answer.kind in (SUCCESS, ERROR, FAULT)
    assert 0 <= answer.retry_after_ms <= 3600000 and type(answer.retry_after_ms) is int
    assert (answer.error is None) == (answer.kind == SUCCESS)
    if answer.error is not None:
        assert isinstance(answer.error, PairletError) and is_clean(str(answer.error))


@PROPERTY
@given(LIKELY, st.booleans(), st.integers(0, 10**12))
def test_documents_are_a_value_or_a_typed_error(
    members: dict[str, object], insecure_http: bool, now: int
) -> None:
    members = json.loads(json.dumps(members))
    for read in (
        lambda: DeviceCode.from_answer(members, now, insecure_http),
        lambda: ServerMetadata.from_answer(members, "https://auth.example", insecure_http),
        lambda: Token.from_answer(members, now, scope="s"),
    ):
        try:
            value = read()
        except PairletError as error:
            assert is_clean(str(error)) and is_clean(error.advice) and len(str(error)) < 3000
            continue
        if isinstance(value, DeviceCode):
            assert now < value.expires_at <= now + 86400000 and 1000 <= value.interval_ms <= 3600000
            assert is_clean(value.user_code) and url.is_secure(value.verification_uri, insecure_http)
        if isinstance(value, Token):
            assert value.expires_in is None or 1 <= value.expires_in <= 315360000
            assert is_clean(value.scope)
            for chance in (0, 255):
                at = value.refresh_at(chance)
                assert at is None or now < at < now + max(2001, 1000 * (value.expires_in or 0))


@PROPERTY
@given(MEMBERS, st.integers(0, 10**12), WALLS)
def test_records_are_a_value_or_a_typed_error(record: dict[str, object], now: int, wall: Wall) -> None:
    try:
        kept = from_record({"version": 1, "access_token": "x", **record}, now, wall)
    except ProtocolError:
        return
    token, since = kept.token, kept.refreshing_since
    assert since is None or (type(since) is int and since >= 0 and token.refresh_token is not None)
    assert token.expires_at is None or now <= token.expires_at <= now + 1000 * (token.expires_in or 0)


@PROPERTY
@given(st.integers(1, 10**7), st.integers(0, 10**10), WALLS, st.integers(0, 10**10), WALLS)
def test_a_kept_token_never_looks_younger_than_it_was(
    expires_in: int, age_ms: int, wall_then: Wall, now: int, wall_now: Wall
) -> None:
    members = {"access_token": "x", "token_type": "Bearer", "expires_in": expires_in, "refresh_token": "r"}
    token = Token.from_answer(members, 0)
    again = from_record(to_record(Kept(token, None, None), age_ms, wall_then), now, wall_now).token
    assert again.expires_at is not None and again.expires_at >= now
    life_ms = again.expires_at - now
    if UNSET in (wall_then.state, wall_now.state) or wall_now.state == FLOOR:
        assert life_ms == 0
    else:
        passed_ms = 1000 * (wall_now.seconds - wall_then.seconds)
        assert life_ms <= max(0, 1000 * expires_in - age_ms - passed_ms)
        assert life_ms <= 1000 * expires_in


SECRETS = st.builds(Secret, st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))


@PROPERTY
@given(SECRETS, st.none() | SECRETS, st.none() | SECRETS, st.none() | st.integers(0, 2**40), st.text(), WALLS)
def test_what_is_kept_comes_back(
    access: Secret, refresh: Secret | None, previous: Secret | None, since: int | None, scope: str, wall: Wall
) -> None:
    kept = Kept(Token(access, refresh_token=refresh, scope=clean(scope)), previous, since)
    again = from_record(parse(json.dumps(to_record(kept, 5, wall)).encode()), 9, wall)
    assert again.token.is_same(kept.token) and again.token.scope == kept.token.scope
    assert again.previous == previous and again.refreshing_since == (since if refresh else None)


@PROPERTY
@given(st.text(max_size=300), st.integers(4, 50))
def test_clean_is_clean(text: str, limit: int) -> None:
    tidy = clean(text, limit)
    assert is_clean(tidy) and len(tidy) <= limit and tidy == tidy.strip()
    tidy.encode()


@PROPERTY
@given(
    st.sampled_from(
        ["https://a.example", "https://a.example/", "https://a.example:8443/t/1", "http://[::1]/x/"]
    )
)
def test_well_known_addresses_are_addresses_of_the_same_server(issuer: str) -> None:
    for inserted in (True, False):
        found = url.split(url.well_known(issuer, "openid-configuration", inserted=inserted))
        asked = url.split(issuer)
        assert found is not None and asked is not None and found[:3] == asked[:3]
        assert "//" not in found.path and not found.path.endswith("/")
