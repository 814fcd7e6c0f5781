"""The shortest program that asks for a device code. Arguments: issuer, client_id, CA file or ""."""

import sys

import paho.mqtt.client  # noqa: F401
import requests

issuer, client_id, ca_file = sys.argv[1:]
session = requests.Session()
session.verify = ca_file or True
metadata = session.get(issuer + "/.well-known/oauth-authorization-server", timeout=30).json()
session.post(metadata["device_authorization_endpoint"], data={"client_id": client_id}, timeout=30)
