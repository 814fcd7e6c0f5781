"""A bare device: one request, then an MQTT connection over TLS that stays. No queue, no refresh, no display.

Arguments: issuer, CA file, MQTT port, client_id, and the seconds between two messages (0: one and no more).
Says "connected" when the first message is acknowledged, and then how many were, for each line on stdin.
"""

import json
import ssl
import sys
import threading

import paho.mqtt.client as paho
import requests

issuer, ca_file, port, client_id, interval = sys.argv[1:]
session = requests.Session()
session.verify = ca_file
metadata = session.get(issuer + "/.well-known/oauth-authorization-server", timeout=30).json()
answer = session.post(metadata["device_authorization_endpoint"], data={"client_id": client_id}, timeout=30)
assert answer.status_code == 200, answer.text

acknowledged = 0
first, over = threading.Event(), threading.Event()


def count(*_: object) -> None:
    """A PUBACK came."""
    global acknowledged
    acknowledged += 1
    first.set()


client = paho.Client(paho.CallbackAPIVersion.VERSION2, "bench-peer", protocol=paho.MQTTv5)
client.username_pw_set("bench-peer", "x" * 700)
client.tls_set(ca_file, tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.on_publish = count
client.connect("127.0.0.1", int(port), keepalive=60)
client.loop_start()
READINGS = {"cpu_load_percent": 4.2, "memory_used_percent": 37.9, "uptime_seconds": 123456}


def publish() -> None:
    """One message, then one each interval."""
    number = 0
    while True:
        payload = json.dumps({"t": 1795000000000 + number, "seq": number, "v": READINGS})
        client.publish("devices/bench-peer/telemetry", payload, qos=1)
        number += 1
        if not float(interval) or over.wait(float(interval)):
            return


publisher = threading.Thread(target=publish, daemon=True)
publisher.start()
if not first.wait(30):
    sys.exit("the broker acknowledged nothing")
if not float(interval):
    publisher.join()
print("connected", flush=True)
for _ in sys.stdin:
    print(acknowledged, flush=True)
over.set()
