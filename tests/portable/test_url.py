"""pairlet.core.url: which addresses may be used, and where metadata is."""

from pairlet.core.url import is_loopback, is_secure, split, well_known


def test_splits():
    assert tuple(split("https://Auth.Example")) == ("https", "auth.example", None, "", None)
    assert tuple(split("HTTPS://a.example:8443/x/y?q=1?2")) == ("https", "a.example", 8443, "/x/y", "q=1?2")
    assert tuple(split("http://[::1]:80/")) == ("http", "::1", 80, "/", None)
    assert tuple(split("https://[FE80::1]")) == ("https", "fe80::1", None, "", None)
    assert tuple(split("https://a?")) == ("https", "a", None, "", "")
    assert tuple(split("https://a.example./")) == ("https", "a.example.", None, "/", None)


def test_refuses_addresses_that_look_like_others():
    for bad in (
        "https://auth.example@evil.example/",
        "https://user:pass@evil.example/",
        "https://auth.example#@evil.example/",
        "https://auth.example\\@evil.example/",
        "https://auth.example/\r\nHost: evil",
        "https://auth.example/ x",
        "https://\u0430uth.example/",
        "https://auth.example\u3002evil/",
        "https://auth%2eexample/",
        "https://[::1]evil/",
        "https://[::1@evil]/",
        "https://[evil]/",
        "https://a:b:c/",
        " https://auth.example/",
        "https://auth.example/\x00",
        "https://auth.example/\x7f",
    ):
        assert split(bad) is None, bad


def test_refuses_what_is_no_web_address():
    for bad in (
        None,
        5,
        True,
        b"https://a/",
        ["https://a"],
        "",
        "https:",
        "https:/a",
        "https://",
        "https:///x",
        "https://:443/",
        "ftp://a/",
        "javascript:alert(1)",
        "data:x",
        "file:///etc",
        "//a/b",
        "a.example",
        "/x",
        "https://a:/",
        "https://a:0/",
        "https://a:65536/",
        "https://a:x/",
        "https://a:-1/",
        "https://a:999999/",
        "https://[]/",
        "https://[::1",
        "https://[::1]:/",
        "https://a/" + "x" * 2048,
    ):
        assert split(bad) is None, bad


def test_refuses_names_that_a_resolver_dies_of():
    for bad in (
        "https://.a/",
        "https://a..b/",
        "https://../",
        "https://" + "x" * 64 + "/",
        "https://" + "x." * 128 + "a/",
    ):
        assert split(bad) is None, bad
    assert split("https://" + "x" * 63 + ".example/") is not None


def test_loopback():
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "127.255.255.255", "::1"):
        assert is_loopback(host), host
    for host in (
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.evil.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "::",
        "127.0.0",
        "127.0.0.",
        "127.0.0.1.",
        "127.0.0.256",
        "127.9999.0.1",
        "127.-1.0.1",
        "1127.0.0.1",
        "",
        "evil",
    ):
        assert not is_loopback(host), host


def test_item_04_secrets_go_to_https_or_loopback_with_the_flag_only():
    assert is_secure("https://auth.example/token")
    assert not is_secure("http://auth.example/token")
    assert not is_secure("http://auth.example/token", True)
    assert not is_secure("http://127.0.0.1:8628/token")
    assert is_secure("http://127.0.0.1:8628/token", True)
    assert is_secure("http://localhost/token", insecure_http=True)
    assert is_secure("http://[::1]:80/token", True)
    assert not is_secure("http://localhost.evil.example/", True)
    assert not is_secure(None, True)


def test_item_43_well_known_places():
    name = "oauth-authorization-server"
    cases = (
        (
            "https://a.example",
            "https://a.example/.well-known/" + name,
            "https://a.example/.well-known/" + name,
        ),
        (
            "https://a.example/",
            "https://a.example/.well-known/" + name,
            "https://a.example/.well-known/" + name,
        ),
        (
            "https://a.example/t/1",
            "https://a.example/.well-known/" + name + "/t/1",
            "https://a.example/t/1/.well-known/" + name,
        ),
        (
            "https://a.example/t/",
            "https://a.example/.well-known/" + name + "/t",
            "https://a.example/t/.well-known/" + name,
        ),
    )
    for issuer, inserted, appended in cases:
        assert well_known(issuer, name, inserted=True) == inserted
        assert well_known(issuer, name, inserted=False) == appended
