"""The board's words for what TLS and sockets say: texts and numbers of Mbed TLS, as MicroPython gave them."""

import errno

from pairlet.core.errors import ConfigError, TlsError, TransportError
from pairlet_board import tls

PLENTY = 100000
SCARCE = 28500  # what a Pico W could not make a handshake with

NAME = "\nThe certificate Common Name (CN) does not match with the expected CN\n"
CA = "\nThe certificate is not correctly signed by the trusted CA\n"
EXPIRED = "\nThe certificate validity has expired\n"
FUTURE = "\nThe certificate validity starts in the future\n"


def said(failure, free=None):
    """(class, sentence) of what is raised for `failure`."""
    error = tls.error(failure, "as.example", free)
    assert error.advice and "\n" not in error.message + error.advice
    assert "as.example" in error.message
    return type(error), error.message


def test_a_refused_certificate_says_why():
    for text, words in (
        (NAME, "as.example is for another name"),
        (CA, "not from the CA"),
        (EXPIRED, "expired"),
        (FUTURE, "not valid yet"),
        ("\nThe certificate has been revoked (is on a CRL)\n", "not from the CA that this device trusts"),
    ):
        kind, message = said(ValueError(text), PLENTY)
        assert kind is TlsError and words in message, message


def test_dates_speak_of_the_clock():
    for text in (EXPIRED, FUTURE):
        assert "clock" in said(ValueError(text))[1]


def test_of_several_faults_the_clock_comes_first_and_the_ca_before_the_name():
    assert "clock is behind" in said(ValueError(NAME + CA + FUTURE))[1]
    assert "clock is ahead" in said(ValueError(NAME + CA + EXPIRED))[1]
    assert "not from the CA" in said(ValueError(NAME + CA))[1]


def test_a_host_name_does_not_choose_the_words():
    words = "certificate verify failed: Hostname mismatch, certificate is not valid for 'expired.example'."
    error = tls.error(ValueError(words), "expired.example")
    assert error.message == "the certificate of expired.example is for another name"


def test_little_memory_looks_like_a_foreign_ca():
    kind, message = said(ValueError(CA), SCARCE)
    assert kind is TransportError
    assert "memory" in message and "28500" in message
    assert said(ValueError(CA), PLENTY)[0] is TlsError
    assert said(ValueError(CA), None)[0] is TlsError
    assert said(ValueError(CA), tls.HANDSHAKE_HEAP)[0] is TlsError


def test_little_memory_excuses_nothing_else():
    for text in (NAME, EXPIRED, FUTURE, NAME + CA, CA + FUTURE):
        assert said(ValueError(text), SCARCE)[0] is TlsError, text


def test_no_memory_says_so_itself():
    for failure in (MemoryError("memory allocation failed, allocating 4096 bytes"), OSError(errno.ENOMEM)):
        for free in (SCARCE, PLENTY, None):
            kind, message = said(failure, free)
            assert kind is TransportError and "memory" in message
    # An error of Mbed TLS that is about no certificate: -32512 is MBEDTLS_ERR_SSL_ALLOC_FAILED.
    assert said(OSError(-32512), SCARCE)[0] is TransportError


def test_little_memory_is_not_to_blame_for_what_the_peer_does():
    for code in (-30592, -29184, -30336):
        assert said(OSError(code), SCARCE)[0] is TlsError, code


def test_errors_of_tls():
    for code, words in (
        (-30336, "no CA is loaded"),
        (-29184, "does not speak TLS"),
        (-30592, "TLS with as.example failed (-30592)"),
        (-9984, "TLS with as.example failed"),
        (-26112, "TLS with as.example failed"),
    ):
        for failure in (OSError(code), OSError(code, "SSL - words")):
            kind, message = said(failure, PLENTY)
            assert kind is TlsError and words in message, message


def test_errors_of_the_network():
    for code, words in (
        (errno.ECONNREFUSED, "refused the connection"),
        (errno.ECONNRESET, "closed the connection"),
        (-errno.ECONNRESET, "closed the connection"),
        (-29312, "closed the connection"),
        (errno.ETIMEDOUT, "did not answer in time"),
        (errno.EHOSTUNREACH, "can't be reached"),
        (errno.EIO, "the connection to as.example broke"),
    ):
        for free in (SCARCE, PLENTY, None):
            if code == -29312 and free == SCARCE:
                continue
            kind, message = said(OSError(code), free)
            assert kind is TransportError and words in message, message
    assert said(OSError())[0] is TransportError


def test_nothing_of_the_other_side_is_passed_on():
    for failure in (ValueError("\x1b[2J" + CA), OSError(-30592, "\x1b[2J"), OSError(5, "\x1b[2J")):
        assert "\x1b" not in said(failure)[1]


def test_what_is_no_certificate():
    for ca in (
        b"",
        b"token",
        bytes(100),
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\xff-----BEGIN CERTIFICATE-----\n\xff",
    ):
        try:
            tls.context(ca)
        except ConfigError as error:
            assert "CA file" in error.message
            continue
        raise AssertionError("a context without a CA was made")
