"""A small client on requests_oauth2client, for `pairlet sim conformance`: pairs, or refreshes.

with_requests_oauth2client.py pair|token DEVICE_AUTHORIZATION_ENDPOINT TOKEN_ENDPOINT CLIENT_ID STATE_DIR
"""

import json
import sys
from pathlib import Path

from requests import RequestException
from requests_oauth2client import (
    BearerToken,
    DeviceAuthorizationPollingJob,
    OAuth2Client,
    OAuth2Error,
)


def pair(client: OAuth2Client) -> BearerToken:
    """Show a code and poll, as the library's documentation does it."""
    codes = client.authorize_device()
    print(f"Open {codes.verification_uri} and enter {codes.user_code}", flush=True)
    job = DeviceAuthorizationPollingJob(client, codes.device_code, interval=codes.interval)
    while not (tokens := job()):
        pass
    return tokens


def main() -> int:
    """The command; 0 when there is a token now."""
    what, device, token, client_id, state_dir = sys.argv[1:]
    stored = Path(state_dir) / "token.json"
    try:
        # `testing`: it would refuse addresses on loopback otherwise.
        client = OAuth2Client(token, device_authorization_endpoint=device, client_id=client_id, testing=True)
        if what == "pair":
            tokens = pair(client)
        else:
            tokens = client.refresh_token(BearerToken(**json.loads(stored.read_text())))
    except (OAuth2Error, RequestException) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    stored.write_text(json.dumps(tokens.as_dict(), default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
