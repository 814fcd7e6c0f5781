"""A small authorization server for tests of the shell: it keeps accounts, codes and families of tokens.

It works on Request and Response values, so the very same one serves both interpreters.
"""

import json

from pairlet.core.http import Response

ISSUER = "https://auth.test"


def form_of(body):
    """The parameters of a form body as a dict."""
    pairs = {}
    for piece in body.decode().split("&"):
        name, _, value = piece.partition("=")
        pairs[_unquote(name)] = _unquote(value)
    return pairs


def _unquote(text):
    pieces = text.replace("+", " ").split("%")
    data = pieces[0].encode()
    for piece in pieces[1:]:
        data += bytes([int(piece[:2], 16)]) + piece[2:].encode()
    return data.decode()


class ModelServer:
    """Answers requests at `clock`'s time. `decide` is "wait", "approve" or "deny".

    Refresh tokens are used once, unless `rotate` is off. With `grace` the last one is taken again, and
    brings what it brought; else it revokes all of them, unless `revokes_on_reuse` is off.
    """

    def __init__(self, clock, decide="approve", code_s=600, interval_s=5, token_s=3600):
        self.clock = clock
        self.decide = decide
        self.code_s = code_s
        self.interval_s = interval_s
        self.token_s = token_s
        self.rotate = True
        self.grace = False
        self.revokes_on_reuse = True
        self.codes = {}
        self.requests = []
        self.live_refresh_token = None
        self.live_access_token = None
        self.revoked = []
        self.too_fast = 0
        self._count = 0
        self._last_refresh = (None, None)

    def __call__(self, request):
        path = request.url[len(ISSUER) :]
        self.requests.append(path)
        if path == "/.well-known/oauth-authorization-server":
            return self._json(200, self._metadata())
        form = form_of(request.body)
        if path == "/device":
            return self._device(form)
        if path == "/revoke":
            self.revoked.append(form["token"])
            return self._json(200, {})
        if form["grant_type"] == "refresh_token":
            return self._refresh(form)
        return self._poll(form)

    def _metadata(self):
        return {
            "issuer": ISSUER,
            "device_authorization_endpoint": ISSUER + "/device",
            "token_endpoint": ISSUER + "/token",
            "revocation_endpoint": ISSUER + "/revoke",
        }

    def _device(self, form):
        self._count += 1
        code = f"device-code-{self._count}"
        now = self.clock.now()
        self.codes[code] = [now + 1000 * self.code_s, None, 1000 * self.interval_s]
        return self._json(
            200,
            {
                "device_code": code,
                "user_code": f"WDJB-MJH{self._count}",
                "verification_uri": ISSUER + "/go",
                "verification_uri_complete": ISSUER + f"/go?user_code=WDJB-MJH{self._count}",
                "expires_in": self.code_s,
                "interval": self.interval_s,
            },
        )

    def _poll(self, form):
        entry = self.codes.get(form["device_code"])
        now = self.clock.now()
        if entry is None:
            return self._error("invalid_grant")
        ends, last, interval_ms = entry
        entry[1] = now
        if last is not None and now - last < interval_ms:
            self.too_fast += 1
            entry[2] += 5000
            return self._error("slow_down")
        if now >= ends:
            return self._error("expired_token")
        if self.decide == "deny":
            return self._error("access_denied")
        if self.decide != "approve":
            return self._error("authorization_pending")
        del self.codes[form["device_code"]]
        return self._tokens()

    def _refresh(self, form):
        sent = form["refresh_token"]
        if sent == self.live_refresh_token:
            self._last_refresh = (sent, self._tokens())
        elif not self.grace or sent != self._last_refresh[0]:
            if self.revokes_on_reuse:
                # Reuse of a rotated token revokes the family (RFC 9700 section 4.14.2).
                self.live_refresh_token = self.live_access_token = None
            return self._error("invalid_grant")
        return self._last_refresh[1]

    def _tokens(self):
        self._count += 1
        self.live_access_token = f"access-{self._count}"
        if self.rotate or self.live_refresh_token is None:
            self.live_refresh_token = f"refresh-{self._count}"
        answer = {
            "access_token": self.live_access_token,
            "token_type": "Bearer",
            "refresh_token": self.live_refresh_token,
            "scope": "telemetry",
        }
        if self.token_s:
            answer["expires_in"] = self.token_s
        return self._json(200, answer)

    def _error(self, code):
        return self._json(400, {"error": code})

    def _json(self, status, members):
        return Response(status, [("content-type", "application/json")], json.dumps(members).encode())
