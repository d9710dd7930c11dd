"""Attacks and edge cases that no sender produces: handmade requests, signed with `countersign sign`."""

import http.client
import json
import os
import secrets
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone

from stage import HOST, TIMEOUT, Trouble
from telling import Sent

BACKENDS_OWN_ANSWER = b'{"received":true}\n'


@dataclass
class Delivery:
    """A request to the gateway, header by header."""

    body: bytes
    headers: list
    path: str = "/gemini"
    method: str = "POST"

    @property
    def sent(self):
        return Sent(dict(self.headers)["webhook-id"], self.body, "secret-2")


@dataclass
class Answer:
    """A response of the gateway."""

    status: int
    headers: dict
    body: bytes = field(repr=False)

    def __str__(self):
        """The status, followed by the `code` of a rejection or by the outcome."""
        if self.headers.get("content-type") == "application/problem+json":
            return f"{self.status} {json.loads(self.body).get('code', '')}"
        return f"{self.status} {self.headers.get('countersign-outcome', '')}".strip()


class ByHand:
    """The part without the emulator."""

    def __init__(self, stage, teller, secret, expired):
        self._stage = stage
        self._teller = teller
        self._secrets = {"SECRET": secret, "EXPIRED": expired}

    def play(self):
        self._teller.heading("7. Attacks and edge cases, sent by hand")
        genuine = self._signed()
        self._step("an authentic delivery", genuine, "200", arrives=True)
        self._step("replayed by an attacker", genuine, "200 duplicate")
        self._step("an unsigned request", Delivery(genuine.body, []), "400 missing_header")
        twice = self._signed()
        twice.headers += self._signed().headers
        self._step("two of each signature header", twice, "400 duplicate_header")
        expired = self._signed("EXPIRED")
        self._step("signed with an expired secret", expired, "401 signature_mismatch", has="www-authenticate")
        forged = [("Countersign_Verdict", "verified"), ("COUNTERSIGN-SOURCE", "evil"), ("Countersign-Admin", "yes")]
        crafty = self._signed()
        crafty.headers += forged
        self._step("authentic, with forged trust headers", crafty, "200", arrives=True)
        self._step("unsigned, with forged trust headers", Delivery(crafty.body, forged), "400 missing_header")
        self._step("a path without a route", self._signed(path="/nowhere"), "404 no_route")
        self._step("a method other than POST", self._signed(method="GET"), "405 method_not_allowed", has="allow")
        self._five_at_once()
        self._hang_up()

    def _five_at_once(self):
        copies = self._signed()
        answers = []
        self._stage.tell_backend(delay={"seconds": 1.0})
        senders = [
            threading.Thread(target=lambda: answers.append(self._send(copies)), daemon=True) for _ in range(5)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        problems = []
        if any(answer.status == 409 and "retry-after" not in answer.headers for answer in answers):
            problems.append("expected a retry-after header with each 409")
        said = Counter(map(str, answers))
        # A thread that starts late finds the message already handled.
        late = said["200 duplicate"]
        expected = Counter({"200": 1, "200 duplicate": late, "409 in_flight": 4 - late})
        self._tell("five copies at once, to a slow backend", [counted(said)], [counted(expected)], copies, problems)

    def _hang_up(self):
        slow = self._signed()
        retry = self._signed(again=slow)
        self._stage.tell_backend(delay={"seconds": 1.0})
        self._send_and_hang_up(slow)
        answers = [str(self._send(retry))]
        while answers[-1].startswith("409") and len(answers) < 100:
            time.sleep(0.1)
            answers.append(str(self._send(retry)))
        said = list(dict.fromkeys(answers))
        self._tell("the sender disconnects, then retries", said, ["409 in_flight", "200 duplicate"], slow)

    def _signed(self, secret="SECRET", again=None, **more):
        """Signs a new delivery, or with `again` a retry: same id and body, new signature."""
        now = datetime.now(tz=timezone.utc)
        if again:
            message_id, body = again.sent.message_id, again.body
        else:
            message_id = f"msg_{secrets.token_hex(8)}"
            data = {"id": "batch_123456", "output_file_uri": "gs://mine/results.jsonl"}
            envelope = {"type": "batch.succeeded", "version": "v1", "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
            body = json.dumps({**envelope, "data": data}).encode()
        command = [self._stage.bin / "countersign", "sign", "--id", message_id, "--secret-env", secret, "-"]
        env = {**os.environ, **self._secrets}
        signed = subprocess.run(command, input=body, env=env, stdout=subprocess.PIPE, timeout=TIMEOUT, check=False)
        if signed.returncode != 0:
            raise Trouble(f"countersign sign failed with exit code {signed.returncode}")
        headers = [tuple(line.split(": ", 1)) for line in signed.stdout.decode().splitlines() if line]
        return Delivery(body, headers, **more)

    def _step(self, what, delivery, expected, arrives=False, has=None):
        """Sends one delivery and reports the result."""
        answer = self._send(delivery)
        problems = []
        if has and has not in answer.headers:
            problems.append(f"expected the header {has} in the response")
        if arrives and answer.body != BACKENDS_OWN_ANSWER:
            problems.append("expected the backend's own response")
        self._tell(what, [str(answer)], [expected], delivery if arrives else None, problems)

    def _tell(self, what, said, expected, delivery=None, problems=()):
        arrivals = [delivery.sent] if delivery else []
        self._teller.step(what, said, expected, arrivals, problems=problems)

    def _send(self, delivery):
        """Sends a delivery over a new connection and waits for the response."""
        try:
            with closing(self._request(delivery)) as connection:
                response = connection.getresponse()
                headers = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Trouble(f"no response from the gateway: {error!r}") from None

    def _send_and_hang_up(self, delivery):
        """Sends a delivery and disconnects as soon as the backend has received it."""
        with closing(self._request(delivery)):
            deadline = time.monotonic() + TIMEOUT
            while not self._stage.seen() and time.monotonic() < deadline:
                time.sleep(0.02)

    def _request(self, delivery):
        connection = http.client.HTTPConnection(HOST, self._stage.gateway_port, timeout=TIMEOUT)
        connection.putrequest(delivery.method, delivery.path, skip_accept_encoding=True)
        for name, value in delivery.headers:
            connection.putheader(name, value)
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(delivery.body)))
        connection.endheaders(delivery.body)
        return connection


def counted(answers: Counter) -> str:
    return ", ".join(f"{count} × {answer}" for answer, count in sorted((+answers).items()))
