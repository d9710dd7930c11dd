#!/usr/bin/env python3
"""Plays good and bad deliveries through the gateway, and checks what came back and what came through.

Each step names what it expects beside what it sends; the exit code is 0 if every expectation held.
"""

import argparse
import base64
import hashlib
import json
import secrets
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

from stage import Delivery, Stage, Trouble

BACKENDS_OWN_ANSWER = b'{"received":true}\n'
CURRENT, PREVIOUS, STRANGER = "DEMO_SECRET_CURRENT", "DEMO_SECRET_PREVIOUS", "DEMO_SECRET_OF_A_STRANGER"

# The same rotation twice: an hour ago, and long enough ago that the old secret's day of grace is over.
CONFIG = """
[server]
listen = ["{{listen}}"]
admin = "{{admin}}"

[sources.gemini]
secrets = [
    {{{{ env = "{current}", label = "current" }}}},
    {{{{ env = "{previous}", label = "previous", expires_at = "{in_23_hours}" }}}},
]

[sources.gemini-later]
secrets = [
    {{{{ env = "{current}", label = "current" }}}},
    {{{{ env = "{previous}", label = "previous", expires_at = "{a_minute_ago}" }}}},
]

[[routes]]
path = "/gemini"
source = "gemini"
upstream = ["{{backend}}"]

[[routes]]
path = "/gemini-later"
source = "gemini-later"
upstream = ["{{backend}}"]
"""


class Story:
    """The steps, in order."""

    def __init__(self, stage, paint):
        self._stage = stage
        self._paint = paint
        self._told = 0
        self._failed = 0
        self._forwarded = 0

    def play(self):
        self._say("sent to the gateway", "answer", "the backend saw", mark=" ")

        first = self._genuine("batch.succeeded")
        self._step("genuine", first, 200, backend=1)
        changed = self._genuine("batch.succeeded")
        changed.body = changed.body.replace(b"gs://mine", b"gs://evil")
        self._step("genuine, then changed on its way", changed, "401 signature_mismatch", has="www-authenticate")
        old = self._genuine("batch.succeeded", age=600)
        self._step("signed ten minutes ago", old, "401 timestamp_too_old", has="www-authenticate")
        stranger = self._genuine("batch.succeeded", with_=[STRANGER])
        self._step("signed with a stranger's secret", stranger, "401 signature_mismatch", has="www-authenticate")
        self._step("not signed", Delivery(first.body, []), "400 missing_header")
        twice = self._genuine("batch.succeeded")
        twice.headers += stranger.headers
        self._step("with two of each signature header", twice, "400 duplicate_header")

        both = self._genuine("batch.expired", with_=[PREVIOUS, CURRENT])
        self._step("in a rotation: signed with both secrets", both, 200, backend=1)
        grace = self._genuine("batch.expired", with_=[PREVIOUS])
        self._step("signed with the old secret, in its grace", grace, 200, backend=1, key="previous")
        late = self._genuine("batch.expired", with_=[PREVIOUS], path="/gemini-later")
        self._step("signed with the old secret, after its grace", late, "401 signature_mismatch")

        self._step("the first one again, byte for byte", first, "200 duplicate")
        retry = self._genuine("batch.succeeded", again=first)
        self._step("the first one again, signed anew", retry, "200 duplicate")
        unlucky = self._genuine("video.generated")
        self._stage.tell_backend(fail={"status": 500})
        self._step("another, and the backend fails", unlucky, 500, backend=1)
        retry = self._genuine("video.generated", again=unlucky)
        self._step("its retry, signed anew", retry, 200, backend=1)
        self._step("its retry once more", retry, "200 duplicate")
        self._five_at_once()
        self._hang_up()

        forged = [("Countersign_Verdict", "verified"), ("COUNTERSIGN-SOURCE", "evil"), ("Countersign-Admin", "yes")]
        crafty = self._genuine("interaction.completed")
        crafty.headers += forged
        self._step("genuine, with forged trust headers", crafty, 200, backend=1)
        self._step("not signed, with forged trust headers", Delivery(crafty.body, forged), "400 missing_header")
        lost = self._genuine("batch.succeeded", path="/nowhere")
        self._step("genuine, to a path without a route", lost, "404 no_route")
        got = self._genuine("batch.succeeded")
        got.method = "GET"
        self._step("not a POST", got, "405 method_not_allowed", has="allow")

        return self._summary()

    def _five_at_once(self):
        copies = self._genuine("interaction.completed")
        answers = []
        self._stage.tell_backend(delay={"seconds": 1.0})
        senders = [
            threading.Thread(target=lambda: answers.append(self._stage.send(copies)), daemon=True) for _ in range(5)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        said = Counter(map(str, answers))
        problems = []
        if said["200"] != 1 or set(said) - {"200", "409 in_flight", "200 duplicate"}:
            problems.append("expected one 200, the others 409 in_flight (or 200 duplicate)")
        if any(answer.status == 409 and "retry-after" not in answer.headers for answer in answers):
            problems.append("expected a retry-after with each 409")
        counts = ", ".join(f"{count} × {answer}" for answer, count in sorted(said.items()))
        self._tell("five copies at once, to a slow backend", counts, copies, 1, problems=problems)

    def _hang_up(self):
        slow = self._genuine("interaction.completed")
        retry = self._genuine("interaction.completed", again=slow)
        self._stage.tell_backend(delay={"seconds": 1.5})
        self._stage.send_and_hang_up(slow)
        answers = [self._stage.send(retry)]
        while answers[-1].status == 409 and len(answers) < 100:
            time.sleep(0.1)
            answers.append(self._stage.send(retry))
        said = ", then ".join(dict.fromkeys(str(answer.status) for answer in answers))
        problems = []
        if said != "409, then 200" or answers[-1].word != "duplicate":
            problems.append("expected 409 in_flight while the backend is at it, then 200 duplicate")
        self._tell("the sender hangs up, then sends again", f"{said} {answers[-1].word}", slow, 1, problems=problems)

    def _genuine(self, event, age=1, with_=(CURRENT,), path="/gemini", again=None):
        """A signed delivery; with `again`, a retry: the same id and body, a new timestamp and signature."""
        now = datetime.now(tz=timezone.utc)
        if again:
            message_id, body, age = dict(again.headers)["webhook-id"], again.body, 0
        else:
            message_id = f"msg_{secrets.token_hex(8)}"
            data = {"id": "batch_123456", "output_file_uri": "gs://mine/results.jsonl"}
            envelope = {"type": event, "version": "v1", "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}", "data": data}
            body = json.dumps(envelope).encode()
        headers = self._stage.sign(with_, message_id, int(now.timestamp()) - age, body)
        return Delivery(body, headers, path)

    def _step(self, title, delivery, expected, backend=0, key="current", has=None):
        """Sends one delivery. `expected` is a status, or a status and the word beside it."""
        answer = self._stage.send(delivery)
        problems = []
        if expected not in (answer.status, str(answer)):
            problems.append(f"expected {expected}")
        if has and has not in answer.headers:
            problems.append(f"expected the header {has} in the answer")
        if expected == 200 and answer.body != BACKENDS_OWN_ANSWER:
            problems.append("expected the backend's own answer")
        self._tell(title, str(answer), delivery, backend, key, problems)

    def _tell(self, title, answer, delivery, backend, key="current", problems=()):
        """Looks at what the backend saw, and prints the line."""
        problems = list(problems)
        seen = self._stage.seen()
        if len(seen) != backend:
            problems.append(f"expected the backend to see {backend or 'nothing'}")
        for request in seen[:backend]:
            problems += wrong_with(request, delivery, key)
        saw = "nothing"
        if seen:
            said = dict(trust_headers(seen[0]))
            verdict, label = said.get("countersign-verdict", "not verified"), said.get("countersign-key", "none")
            saw = f"{len(seen)} {verdict}, key {label}"
        self._say(title, answer, saw, mark="✗" if problems else "✓")
        for problem in problems:
            print(f"      {problem}")
        self._told += 1
        self._failed += bool(problems)
        self._forwarded += len(seen)
        self._stage.tell_backend(reset=True)

    def _say(self, title, answer, saw, mark):
        print(f" {self._paint(mark)} {title:<43} {answer:<26} {saw}", flush=True)

    def _summary(self):
        if self._failed:
            print(f"\n {self._failed} of {self._told} steps did not go as expected. The gateway's last lines:")
            print(self._stage.log(), end="")
        else:
            print(
                f"\n All {self._told} steps went as expected."
                f" The backend saw {self._forwarded} requests, byte for byte, all of them verified."
            )
        return 1 if self._failed else 0


def trust_headers(request):
    """All headers that a backend could take for the gateway's, however they are spelled."""
    headers = [(name.lower(), value) for name, value in request["headers"]]
    return [(name, value) for name, value in headers if name.replace("_", "-").startswith("countersign-")]


def wrong_with(request, delivery, key):
    """What is not as it should be with a request that reached the backend."""
    sent = dict(delivery.headers)
    expected = {
        "countersign-verdict": "verified",
        "countersign-source": "gemini",
        "countersign-scheme": "v1",
        "countersign-key": key,
        "countersign-message-id": sent.get("webhook-id", "none: it was not signed"),
        "countersign-event-type": json.loads(delivery.body)["type"],
    }
    found = trust_headers(request)
    # A retry has a timestamp of its own, so only its form is known here.
    stamps = [value for name, value in found if name == "countersign-timestamp"]
    found = [(name, value) for name, value in found if name != "countersign-timestamp"]
    if sorted(found) != sorted(expected.items()):
        yield f"expected exactly the trust headers {expected}, the backend saw {found}"
    if len(stamps) != 1 or not stamps[0].isdecimal() or abs(int(stamps[0]) - time.time()) > 60:
        yield f"expected one timestamp of now, the backend saw {stamps}"
    if request["body_sha256"] != hashlib.sha256(delivery.body).hexdigest():
        yield "expected the body byte for byte"


def new_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--bin", required=True, help="the folder of countersign and countersign-gateway")
    options = options.parse_args()

    now = datetime.now(tz=timezone.utc)
    config = CONFIG.format(
        current=CURRENT,
        previous=PREVIOUS,
        in_23_hours=f"{now + timedelta(hours=23):%Y-%m-%dT%H:%M:%SZ}",
        a_minute_ago=f"{now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
    )
    colours = {"✓": "\033[32m✓\033[0m", "✗": "\033[31m✗\033[0m"} if sys.stdout.isatty() else {}
    print("\n countersign: a gateway in front of a backend that knows nothing of webhooks\n")
    try:
        with Stage(options.bin, {name: new_secret() for name in (CURRENT, PREVIOUS, STRANGER)}, config) as stage:
            return Story(stage, lambda mark: colours.get(mark, mark)).play()
    except (Trouble, OSError) as trouble:
        print(f"\n {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n Interrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
