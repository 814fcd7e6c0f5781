"""pairlet.core.pkce: the verifier and its challenge, by the RFC's own example."""

from pairlet.core.pkce import METHOD, base64url, code_challenge, code_verifier
from pairlet.core.secret import Secret

# RFC 7636 appendix B.
OCTETS = bytes(
    [116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186]
    + [22, 212, 37, 77, 105, 214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121]
)
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_item_56_the_example_of_the_rfc():
    assert METHOD == "S256"
    assert code_verifier(OCTETS).reveal() == VERIFIER
    assert code_challenge(Secret(VERIFIER)) == CHALLENGE


def test_a_verifier_is_of_characters_and_a_length_that_the_rfc_allows():
    for chance in (bytes(32), b"\xff" * 32, bytes(range(32))):
        verifier = code_verifier(chance).reveal()
        assert len(verifier) == 43
        assert all(character.lower() in "abcdefghijklmnopqrstuvwxyz0123456789-._~" for character in verifier)


def test_a_verifier_takes_256_bits_of_chance():
    try:
        code_verifier(bytes(31))
    except ValueError:
        return
    raise AssertionError("31 bytes were enough")


def test_a_verifier_can_not_be_shown():
    assert VERIFIER not in repr(code_verifier(OCTETS)) + str(code_verifier(OCTETS))


def test_base64url_has_no_padding():
    assert [base64url(bytes(count)) for count in range(4)] == ["", "AA", "AAA", "AAAA"]
    assert base64url(b"\xfb\xef\xff") == "--__" and base64url(b"\xfb\xef\xbe") == "----"
