"""A client of the emulator's control API, `/_emulator`: inspects deliveries and triggers faults."""

import json
import time
from typing import Callable

from stage import TIMEOUT, Trouble, fetch


class Emulator:
    """Remembers which deliveries it has already returned."""

    def __init__(self, port: int):
        self._port = port
        self._known = set()

    def emit(self, event_type: str, count: int = 1) -> None:
        """Emits events that do not belong to a job."""
        self._post("events:emit", type=event_type, count=count)

    def spoil_next(self, fault: str) -> None:
        """Applies a fault to the next delivery."""
        self._post("faults", **{fault: 1})

    def let_pass(self, duration: str) -> None:
        """Moves the emulator's clock forward: `10s`, `3h`."""
        self._post("clock:advance", by=duration)

    def rotate_keys(self) -> list[str]:
        """Rotates the published keys and returns the ids of the new ones."""
        return [key["kid"] for key in self._post("keys:rotate")["keys"]]

    def new_deliveries(self, count: int = 1) -> list[dict]:
        """Waits for deliveries that were not returned before; returns them once each was attempted, oldest first."""

        def new():
            shown = reversed(self._get("deliveries")["deliveries"])
            shown = [delivery for delivery in shown if delivery["id"] not in self._known]
            return shown if len(shown) >= count else None

        deliveries = wait_for(new, f"{count} new deliveries")
        self._known.update(delivery["id"] for delivery in deliveries)
        return self.attempted(deliveries)

    def attempted(self, deliveries: list[dict], times: int = 1) -> list[dict]:
        """Waits until each delivery was attempted this many times; returns them with all details."""

        def attempted():
            shown = [self._get(f"deliveries/{delivery['id']}") for delivery in deliveries]
            done = (len(each["attempts"]) >= times and each["status"] != "in_flight" for each in shown)
            return shown if all(done) else None

        return wait_for(attempted, f"attempt {times} of {len(deliveries)} deliveries")

    def _get(self, path):
        return json.loads(fetch(self._port, "GET", f"/_emulator/{path}"))

    def _post(self, path, **fields):
        return json.loads(fetch(self._port, "POST", f"/_emulator/{path}", json.dumps(fields).encode()))


def wait_for(get: Callable, what: str):
    """Polls `get` until it returns a result."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        got = get()
        if got:
            return got
        time.sleep(0.05)
    raise Trouble(f"timed out after {TIMEOUT} s waiting for {what}")
