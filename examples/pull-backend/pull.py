"""Fetches messages from a gateway that cannot reach this machine, and says what became of them."""
import base64
import json
import os
import urllib.request

URL = f"{os.environ['GATEWAY']}/v1/destinations/{os.environ['DESTINATION']}"
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/json"}


def call(verb, body):
    request = urllib.request.Request(f"{URL}/{verb}", json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=90) as response:
        return json.load(response)


def handle(delivery):
    event = json.loads(base64.b64decode(delivery["body_base64"]))
    print(delivery["message_id"], event["type"], flush=True)


while True:
    for delivery in call("lease", {"wait": 30, "max": 10})["deliveries"]:
        try:
            handle(delivery)
            result = {"result": "done"}
        except Exception as error:  # it is delivered again later
            result = {"result": "retry", "error": repr(error)[:200]}
        call("ack", {"results": [{"receipt": delivery["receipt"], **result}]})
