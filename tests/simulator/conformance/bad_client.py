"""A client with one vice, for `pairlet sim conformance` to find.

    bad_client.py pair|token VICE ISSUER CLIENT_ID STATE_DIR

With the vice "none" it does what the scenarios of the tests ask for. "token" refreshes.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

what, vice, issuer, client_id, state_dir = sys.argv[1:]
stored = Path(state_dir) / "tokens.json"


def post(place: str, **form: str) -> dict[str, object]:
    """Send a form; return the members of whatever comes back."""
    if vice != "nameless":
        form["client_id"] = client_id
    body, query = urllib.parse.urlencode(form), ""
    if vice == "leaky" and "device_code" in form:
        query = "?" + urllib.parse.urlencode({"device_code": form["device_code"]})
    request = urllib.request.Request(issuer + place + query, body.encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def pair() -> int:
    """Poll until there are tokens, or an error that ends it."""
    codes = post("/device_authorization")
    if "error" in codes:
        print("refused:", codes["error"])
        return 1
    interval = float(codes["interval"])
    print(f"Open {codes['verification_uri']} and enter {codes['user_code']}", flush=True)
    if vice == "talkative":
        print(f"Polling with {codes['device_code']}", flush=True)
    if vice == "fertile":
        subprocess.Popen(["sleep", "300"])
    while True:
        time.sleep(0.2 if vice == "hasty" else interval)
        answer = post("/token", grant_type=DEVICE_CODE, device_code=codes["device_code"])
        if "access_token" in answer:
            stored.write_text(json.dumps(answer))
            return 0
        if answer["error"] == "slow_down" and vice != "deaf":
            interval += 5
        if answer["error"] not in ("authorization_pending", "slow_down") and vice != "stubborn":
            print("ended:", answer["error"])
            return 0 if vice == "careless" else 1


def token() -> int:
    """Refresh and keep what comes."""
    tokens = json.loads(stored.read_text())
    answer = post("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    if "access_token" not in answer:
        print("not refreshed:", answer.get("error"))
        return 1
    if vice != "forgetful":
        stored.write_text(json.dumps(tokens | answer))
    return 0


if __name__ == "__main__":
    sys.exit(token() if what == "token" else pair())
