"""Which CAs are trusted, that they are read once, and what a person is told about a failed handshake."""

import asyncio
import datetime
import re
import ssl
import subprocess
from pathlib import Path

import pytest
from pairlet.core.errors import ConfigError, PairletError, TlsError, TransportError
from pairlet.linux import tls
from pairlet.linux.tls import explain, new_context, shared_context
from support.certificates import CertificateAuthority, Issued, self_signed


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tls._VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


def handshake(context: ssl.SSLContext, issued: Issued, folder: Path, name: str = "localhost") -> None:
    """A whole TLS handshake in memory. Raises what the client's side of it raises."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(*issued.write(folder))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            return
    raise AssertionError("the handshake did not come to an end")


def refused(context: ssl.SSLContext, issued: Issued, folder: Path, name: str = "localhost") -> ssl.SSLError:
    with pytest.raises(ssl.SSLError) as caught:
        handshake(context, issued, folder, name)
    return caught.value


def test_verification_is_on_and_old_versions_are_off(authority: CertificateAuthority, tmp_path: Path) -> None:
    for make in (shared_context, new_context):
        context = make(authority.write(tmp_path / "ca.pem"))
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_one_context_for_each_ca_file(authority: CertificateAuthority, tmp_path: Path) -> None:
    ca_file = authority.write(tmp_path / "ca.pem")
    assert shared_context(ca_file) is shared_context(ca_file)
    assert shared_context(ca_file) is not shared_context(authority.write(tmp_path / "other.pem"))
    assert new_context(ca_file) is not new_context(ca_file)


def test_nobody_bends_the_shared_context(authority: CertificateAuthority, tmp_path: Path) -> None:
    ca_file = authority.write(tmp_path / "ca.pem")

    def negotiated(context: ssl.SSLContext) -> str | None:
        context.set_alpn_protocols(["http/1.1"])
        server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_context.load_cert_chain(*authority.issue().write(tmp_path))
        server_context.set_alpn_protocols(["http/1.1"])

        async def scenario() -> str | None:
            server = await asyncio.start_server(
                lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=server_context
            )
            async with server:
                port = server.sockets[0].getsockname()[1]
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                protocol: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
                writer.close()
                return protocol

        return asyncio.run(scenario())

    assert negotiated(shared_context(ca_file)) is None
    assert negotiated(new_context(ca_file)) == "http/1.1"


def test_ca_file_comes_first_then_the_environment(
    authority: CertificateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}
    for name in ("ca_file", *tls._VARIABLES[:3]):
        other = CertificateAuthority(name)
        files[name] = (other.write(tmp_path / f"{name}.pem"), other.issue())

    def trusted_by(context: ssl.SSLContext) -> list[str]:
        found = []
        for name, (_, issued) in files.items():
            try:
                handshake(context, issued, tmp_path)
                found.append(name)
            except ssl.SSLCertVerificationError:
                continue
        return found

    assert trusted_by(shared_context()) == []  # certifi knows none of them
    for name in reversed(tls._VARIABLES[:3]):
        monkeypatch.setenv(name, files[name][0])
        assert trusted_by(shared_context()) == [name]
    assert trusted_by(shared_context(files["ca_file"][0])) == ["ca_file"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # set to nothing is not set
    assert trusted_by(shared_context()) == ["CURL_CA_BUNDLE"]


def test_default_is_certifis_bundle() -> None:
    import certifi

    known = {found["serialNumber"] for found in new_context().get_ca_certs()}
    assert known == {found["serialNumber"] for found in new_context(certifi.where()).get_ca_certs()}
    assert len(known) > 50


def test_folder_of_hashed_certificates(authority: CertificateAuthority, tmp_path: Path) -> None:
    folder = tmp_path / "cas"
    folder.mkdir()
    authority.write(folder / "ca.pem")
    with pytest.raises(ConfigError, match="without certificates"):
        shared_context(str(folder))
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    handshake(shared_context(str(folder)), authority.issue(), tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read: No such file"),
        (b"", "holds no certificate"),
        (b"no PEM", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate"),
        (b"\x30\x82\x01\x9f\x30\x82", "holds no certificate"),
        (self_signed().key_pem, "holds no certificate"),
    ],
)
def test_ca_file_that_can_not_be_used(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        shared_context(str(path))
    assert str(caught.value).isprintable() and "PEM" in caught.value.advice


def test_path_that_is_none_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="the CA file"):
        shared_context("a\0b")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match="the environment variable CURL_CA_BUNDLE '/nowhere/ca.pem'"):
        shared_context()


def test_a_certificate_named_as_ca_vouches_for_itself(tmp_path: Path) -> None:
    issued = self_signed()
    certfile, _ = issued.write(tmp_path, "own")
    handshake(shared_context(certfile), issued, tmp_path)


class TestExplain:
    """The words for real refusals of a real handshake."""

    @pytest.fixture
    def context(self, authority: CertificateAuthority, tmp_path: Path) -> ssl.SSLContext:
        return shared_context(authority.write(tmp_path / "ca.pem"))

    def words(self, error: ssl.SSLError, now: float | None = None) -> str:
        explained = explain(error, "as.example", now)
        assert isinstance(explained, TlsError) and explained.advice
        assert "as.example" in str(explained)
        return str(explained) + " / " + explained.advice

    def test_unknown_ca(self, context: ssl.SSLContext, tmp_path: Path) -> None:
        error = refused(context, CertificateAuthority("Other").issue(), tmp_path)
        assert re.search("CA that this machine does not know .*ca_file", self.words(error))

    def test_self_signed(self, context: ssl.SSLContext, tmp_path: Path) -> None:
        assert "self-signed" in self.words(refused(context, self_signed(), tmp_path))

    @pytest.mark.parametrize("name", ["other.example", "127.0.0.9"])
    def test_wrong_name(
        self, authority: CertificateAuthority, context: ssl.SSLContext, tmp_path: Path, name: str
    ) -> None:
        assert "for another name" in self.words(refused(context, authority.issue(), tmp_path, name))

    def test_dates(self, authority: CertificateAuthority, context: ssl.SSLContext, tmp_path: Path) -> None:
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        expired = refused(context, authority.issue(not_before=now - 9 * day, not_after=now - day), tmp_path)
        early = refused(context, authority.issue(not_before=now + day, not_after=now + 9 * day), tmp_path)
        assert f"has expired; this machine's clock says {now:%Y-%m-%d}" in self.words(expired)
        assert "administrator must renew" in self.words(expired)
        assert f"not valid yet; this machine's clock says {now:%Y-%m-%d}" in self.words(early)
        # A board without a clock of its own, just switched on: it is the clock that is wrong.
        for error in (expired, early):
            assert "says 1970-01-01, which is wrong / Set the clock" in self.words(error, now=3600)

    @pytest.mark.parametrize("server_says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail ESMTP\r\n"])
    def test_no_tls_at_all(self, context: ssl.SSLContext, server_says: bytes) -> None:
        incoming = ssl.MemoryBIO()
        incoming.write(server_says)
        client = context.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="as.example")
        with pytest.raises(ssl.SSLError) as caught:
            client.do_handshake()
        assert "does not speak TLS on this port" in self.words(caught.value)

    def test_no_version_in_common(
        self, authority: CertificateAuthority, context: ssl.SSLContext, tmp_path: Path
    ) -> None:
        # A fatal alert protocol_version (70): RFC 8446 section 6.2.
        incoming = ssl.MemoryBIO()
        incoming.write(b"\x15\x03\x01\x00\x02\x02\x46")
        client = context.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="as.example")
        with pytest.raises(ssl.SSLError) as caught:
            client.do_handshake()
        assert "no version of TLS in common" in self.words(caught.value)

    @pytest.mark.parametrize("alert", [40, 80, 112, 116])
    def test_other_alerts(self, context: ssl.SSLContext, alert: int) -> None:
        incoming = ssl.MemoryBIO()
        incoming.write(b"\x15\x03\x03\x00\x02\x02" + bytes([alert]))
        client = context.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="as.example")
        with pytest.raises(ssl.SSLError) as caught:
            client.do_handshake()
        assert "client certificate" in self.words(caught.value) if alert == 116 else self.words(caught.value)

    def test_the_end_of_the_connection_is_nobodys_identity(self, context: ssl.SSLContext) -> None:
        incoming = ssl.MemoryBIO()
        incoming.write_eof()
        client = context.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="as.example")
        with pytest.raises(ssl.SSLError) as caught:
            client.do_handshake()
        explained: PairletError = explain(caught.value, "as.example")
        assert isinstance(explained, TransportError) and "as.example" in str(explained)
