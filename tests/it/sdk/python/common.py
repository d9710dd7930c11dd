"""What the drivers share: clients, what the emulator has beside the API, and facts as both languages print them."""

import json
import os
import time
import urllib.request
from datetime import datetime, timezone

from google import genai
from google.genai import types

EMULATOR = os.environ["EMULATOR"]
RECEIVER = os.environ["RECEIVER"]
# So many looks at what is under way, with a pause after each, before it is given up.
LOOKS = 1500
PAUSE = 0.02


def client(version=None, api_key="an API key", headers=None):
    options = types.HttpOptions(base_url=EMULATOR, api_version=version, headers=headers)
    return genai.Client(api_key=api_key, http_options=options)


def in_both_versions(drive, by_itself="v1"):
    """Drives the version that the SDK takes by itself, and the other, each in a project of its own."""
    facts = {}
    for version in ["v1", "v1beta"]:
        key = f"the key of {version}"
        api_version = None if version == by_itself else version
        facts[version] = drive(client(api_version, key), version, key)
    print(json.dumps(facts))


def raw(method, path, body=None, key="an API key"):
    """A request that no SDK makes."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(EMULATOR + path, data=data, method=method, headers={"x-goog-api-key": key})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def content(path):
    """Text that is no answer of the API."""
    with urllib.request.urlopen(EMULATOR + path) as response:
        return response.read().decode()


def advance(by):
    """Lets emulated time pass."""
    raw("POST", "/_emulator/clock:advance", {"by": by})


def delivered():
    """Waits until no delivery is under way."""
    for _ in range(LOOKS):
        if raw("GET", "/_emulator")["open"] == 0:
            return
        time.sleep(PAUSE)
    raise TimeoutError("deliveries do not end")


def polled(get, is_open):
    """Asks until it has come to its end, with 25 emulated minutes before each time."""
    answers = []
    while not answers or is_open(answers[-1]):
        if len(answers) > 10:
            raise TimeoutError(f"it does not end: {answers}")
        advance("25m")
        answers.append(get())
    return answers


def moment(value):
    """A time that the SDK has read; text that it has not read is none."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise TypeError(f"this was not read as a time: {value!r}")
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error(call):
    """What the SDK raises, and what it says of it."""
    try:
        answer = call()
    except Exception as raised:
        # Webhooks and interactions have errors of another kind than batches and operations.
        body = getattr(raised, "body", None) or getattr(raised, "details", None) or {}
        said = body.get("error", {})
        violations = [v for d in said.get("details", []) for v in d["fieldViolations"]]
        return {
            "exception": type(raised).__name__,
            "code": getattr(raised, "code", None) or getattr(raised, "status_code", None),
            "text": str(raised),
            "said": said.get("message"),
            "reason": said.get("code"),
            "cause": type(raised.__cause__).__name__,
            "status": said.get("status"),
            "violations": violations,
        }
    raise AssertionError(f"no error, but {answer!r}")
