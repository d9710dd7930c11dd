"""Prints a line for each step: the responses, the requests at the backend, and whether both are correct."""

import hashlib
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import groupby

COLOURS = {"✓": "\033[32m✓\033[0m", "✗": "\033[31m✗\033[0m"}


@dataclass
class Sent:
    """A signed delivery, with everything that the backend should receive of it."""

    message_id: str
    body: bytes
    key: str
    scheme: str = "v1"

    @property
    def event_type(self):
        return json.loads(self.body)["type"]


class Teller:
    """Checks the backend after each step, prints a line, and counts the results."""

    def __init__(self, stage):
        self._stage = stage
        self._told = 0
        self._failed = 0
        # How often the backend received each event, and how often it returned 200.
        self._seen = Counter()
        self._handled = Counter()

    def heading(self, *words):
        print("", *(f" {line}" for line in words), sep="\n")

    def columns(self):
        self._print(" ", "step", "gateway's responses", "backend receives (event, scheme, key)")

    def step(self, what, said, expected, arrivals=(), times=1, problems=()):
        """Reports a step: compares the gateway's responses (`said`) with the expected ones.

        The backend must have received exactly `arrivals`, each of them `times` times.
        """
        problems = list(problems)
        if said != expected:
            problems.append(f"expected the responses {in_short(expected)}")
        seen = self._stage.seen()
        problems += wrong_with(seen, {sent.message_id: sent for sent in arrivals}, times)
        self._told += 1
        self._failed += bool(problems)
        self._seen.update(message_id(request) for request in seen)
        self._handled.update(message_id(request) for request in seen if request["status"] == 200)
        self._stage.tell_backend(reset=True)
        self._print("✗" if problems else "✓", what, in_short(said), in_short(map(looks, seen)) or "nothing")
        for problem in problems:
            print(f"      {problem}")

    def summary(self) -> int:
        """Prints the overall result and returns the exit code."""
        once = set(self._handled.values()) == {1} and set(self._handled) == set(self._seen)
        if self._failed or not once:
            print(f"\n {self._failed} of {self._told} steps failed.")
            if not once:
                print(f" Expected each event to be handled once. Handled: {self._handled}; received: {self._seen}.")
            for log in self._stage.logs():
                print(f" {log}", end="")
            return 1
        print(
            f"\n All {self._told} steps passed. The backend received {sum(self._seen.values())} requests,"
            f" all verified and byte-exact,\n and handled each of {len(self._seen)} events exactly once."
        )
        return 0

    @staticmethod
    def _print(mark, what, answer, saw):
        mark = COLOURS.get(mark, mark) if sys.stdout.isatty() else mark
        print(f" {mark} {what:<42} {answer:<30} {saw}", flush=True)


def in_short(texts) -> str:
    """`401 signature_mismatch → 200`; `10 × 200`."""
    runs = [(text, len(list(run))) for text, run in groupby(texts)]
    return " → ".join(text if count == 1 else f"{count} × {text}" for text, count in runs)


def looks(request: dict) -> str:
    """The gateway's trust headers of a request, in short: event type, scheme and key."""
    if trusted(request, "verdict") != "verified":
        return "an unverified request"
    return " ".join(trusted(request, name) for name in ("event-type", "scheme", "key"))


def event_type(request: dict) -> str:
    return trusted(request, "event-type")


def message_id(request: dict) -> str:
    return trusted(request, "message-id")


def trusted(request: dict, name: str) -> str:
    """The value of one of the gateway's trust headers."""
    return dict(trust_headers(request)).get(f"countersign-{name}", "-")


def trust_headers(request):
    """All headers that a backend could mistake for the gateway's, in any spelling."""
    headers = [(name.lower(), value) for name, value in request["headers"]]
    return [(name, value) for name, value in headers if name.replace("_", "-").startswith("countersign-")]


def wrong_with(seen: list[dict], expected: dict[str, Sent], times: int):
    """The problems with the requests that reached the backend."""
    counts = Counter(message_id(request) for request in seen)
    if counts != Counter(dict.fromkeys(expected, times)):
        yield f"expected the backend to receive {len(expected) * times} requests for {len(expected)} deliveries"
    for request in seen:
        sent = expected.get(message_id(request))
        if sent:
            yield from differences(request, sent)


def differences(request: dict, sent: Sent):
    """The differences between a request that reached the backend and the delivery as sent."""
    expected = {
        "countersign-verdict": "verified",
        "countersign-source": "gemini",
        "countersign-scheme": sent.scheme,
        "countersign-key": sent.key,
        "countersign-message-id": sent.message_id,
        "countersign-event-type": sent.event_type,
    }
    found = trust_headers(request)
    # Each attempt has its own timestamp, so only its range can be checked.
    stamps = [value for name, value in found if name == "countersign-timestamp"]
    found = [(name, value) for name, value in found if name != "countersign-timestamp"]
    if sorted(found) != sorted(expected.items()):
        yield f"expected exactly the trust headers {expected}; the backend received {found}"
    if len(stamps) != 1 or not stamps[0].isdecimal() or abs(int(stamps[0]) - time.time()) > 60:
        yield f"expected one current timestamp; the backend received {stamps}"
    if request["body_sha256"] != hashlib.sha256(sent.body).hexdigest():
        yield "expected the body to be unchanged"
