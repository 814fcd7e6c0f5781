"""pairlet.core.http: requests and responses as values."""

from pairlet.core.http import Request, Response


def test_the_first_value_of_a_header():
    response = Response(200, [("a", "1"), ("retry-after", "2"), ("retry-after", "3")], b"")
    assert response.header("retry-after") == "2"
    assert response.header("date") is None


def test_repr_shows_neither_body_nor_headers_nor_query():
    request = Request("POST", "https://a/t?k=hidden", [("Authorization", "hidden")], b"hidden")
    assert "hidden" not in repr(request) and "https://a/t" in repr(request) and "POST" in repr(request)
    response = Response(200, [("set-cookie", "hidden")], b"hidden")
    assert "hidden" not in repr(response) and "200" in repr(response)
    assert "hidden" not in str(request) + str(response) + f"{request} {response}" + "%r %s" % (
        request,
        response,
    )
