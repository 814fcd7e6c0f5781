"""paho-mqtt at its best: twenty messages in flight, the next one sent from the callback of a PUBACK.

Nothing is stored, nothing is renewed. Argument: port of the broker. Answers "live N" with CPU and wall
milliseconds until N samples, encoded with json.dumps, were acknowledged.
"""

import json
import sys
import threading
import time

import paho.mqtt.client as paho
from samples import BEGIN_MS, VALUES

_WINDOW = 20

client = paho.Client(paho.CallbackAPIVersion.VERSION2, "raw", protocol=paho.MQTTv5)
client.max_inflight_messages_set(_WINDOW)
connected, done = threading.Event(), threading.Event()
wanted = sent = acknowledged = 0


def send() -> None:
    """One more."""
    global sent
    payload = json.dumps({"t": BEGIN_MS + sent, "seq": sent, "v": VALUES}, separators=(",", ":"))
    client.publish("devices/bench/telemetry", payload, qos=1)
    sent += 1


def count(*_: object) -> None:
    """A PUBACK came."""
    global acknowledged
    acknowledged += 1
    if sent < wanted:
        send()
    elif acknowledged == wanted:
        done.set()


client.on_publish = count
client.on_connect = lambda *_: connected.set()
client.connect("127.0.0.1", int(sys.argv[1]), keepalive=60)
client.loop_start()
connected.wait()
print("connected", flush=True)
for line in sys.stdin:
    before = time.process_time(), time.monotonic()
    wanted, sent, acknowledged = int(line.split()[1]), 0, 0
    done.clear()
    for _ in range(min(_WINDOW, wanted)):
        send()
    done.wait()
    print(1000 * (time.process_time() - before[0]), 1000 * (time.monotonic() - before[1]), flush=True)
