"""The parts of the demo in which the emulator sends: normal operation, a rotation, an outage, and faults."""

import json
from datetime import datetime, timedelta, timezone

from emulator import wait_for
from telling import Sent, event_type

EVENTS = ["batch.succeeded", "batch.failed", "interaction.completed", "video.generated"]


class Acts:
    """The parts in which the emulator sends, in order."""

    def __init__(self, stage, emulator, driver, teller):
        self._stage = stage
        self._emulator = emulator
        self._driver = driver
        self._teller = teller
        # The gateway's label for the current secret.
        self._label = "secret-1"

    def play(self):
        """Returns the current secret of the webhook, and an expired one."""
        webhook, first = self._registration()
        self._jobs()
        self._jobs_with_an_address()
        second = self._rotation(webhook, first)
        self._outage()
        self._faults()
        return second, first

    def _registration(self):
        self._teller.heading("1. A webhook is registered, and the gateway is configured with its secret")
        webhook, secret = self._driver.register(self._stage.address, EVENTS)
        self._stage.run_gateway((self._label, secret, None))
        self._driver.ping(webhook)
        self._step("a ping", self._emulator.new_deliveries(), ["200"])
        return webhook, secret

    def _jobs(self):
        self._teller.heading("2. Jobs finish, and each webhook reports the same result as polling")
        question = "Why is the sky blue?"
        self._ends("an interaction completes", self._driver.ask(question), self._driver.interaction_state, "completed")
        self._ends("a batch succeeds", self._driver.batch(question), self._driver.batch_state, "succeeded")
        self._ends("a batch fails", self._driver.batch("[[fail]]"), self._driver.batch_state, "failed")

    def _ends(self, what, name, state, end):
        deliveries = self._emulator.new_deliveries()
        event = json.loads(deliveries[0]["body"])
        pushed, polled = (event["data"]["id"], event["type"].rpartition(".")[2]), (name, state(name))
        wrong = unless(pushed == polled == (name, end), f"expected {name} {end}; webhook: {pushed}, polling: {polled}")
        self._step(what, deliveries, ["200"], problems=wrong)

    def _jobs_with_an_address(self):
        self._teller.heading(
            "3. Dynamic webhooks: a batch names its own URL",
            "   (Its webhooks are signed with public keys that the sender publishes as a JWKS.)",
        )
        self._batch_with_an_address("a batch with a webhook_config", ["200"])
        keys = self._emulator.rotate_keys()
        self._batch_with_an_address("the same, after a rotation of the keys", ["200"], keys)
        self._emulator.spoil_next("wrong_key")
        answers = ["401 signature_mismatch", "200"]
        self._batch_with_an_address("signed with an unpublished key", answers)

    def _batch_with_an_address(self, what, expected, keys=None):
        """If `keys` is set, expects a signature with one of them."""
        metadata = {"order": 42}
        name = self._driver.batch("Why?", {"uris": [self._stage.address], "user_metadata": metadata})
        deliveries = self._emulator.new_deliveries()
        data, used = json.loads(deliveries[0]["body"])["data"], deliveries[0]["attempts"][0]["keys"]
        returned = (data["id"], data.get("user_metadata"))
        wrong = unless(returned == (name, metadata), f"expected {name} and {metadata}; received {returned}")
        wrong += unless(not keys or used[0] in keys, f"expected a signature with one of the keys {keys}; used {used}")
        self._step(what, self._retried(deliveries, len(expected)), expected, problems=wrong)

    def _rotation(self, webhook, first):
        self._teller.heading(
            "4. The secret is rotated, but the gateway is updated a day too late",
            "   (The emulator's clock is moved forward. The gateway uses the real time.)",
        )
        second = self._driver.rotate(webhook)
        deliveries = self._emit("batch.succeeded")
        signed, listed = deliveries[0]["attempts"][0]["keys"], self._driver.secrets(webhook)
        wrong = unless(len(signed) == 2 and set(signed) == set(listed), f"expected both of {listed}; used {signed}")
        self._step("for a day, both secrets sign", deliveries, ["200"], problems=wrong)

        self._emulator.let_pass("25h")
        late = self._emit("batch.succeeded")
        self._step("25 hours later, only the new one signs", late, ["401 signature_mismatch"], arrive=False)
        # For the sender, the old secret has expired. The gateway uses the real time: the expiry must be in the past.
        past = datetime.now(tz=timezone.utc) - timedelta(minutes=1)
        self._label, old = "secret-2", self._label
        self._stage.run_gateway((self._label, second, None), (old, first, f"{past:%Y-%m-%dT%H:%M:%SZ}"))
        self._step("the gateway is updated; the retry succeeds", self._retried(late, 2), ["200"])
        return second

    def _outage(self):
        self._teller.heading("5. The backend is down for three hours (on the emulator's clock)")
        self._stage.tell_backend(fail={"status": 503, "times": 1_000_000})
        deliveries, attempts = self._emit("batch.succeeded", count=5), 1
        # Pauses double, starting at 10 seconds, with up to 20 % of jitter.
        while attempts < 11:
            self._emulator.let_pass(f"{12 * 2 ** (attempts - 1)}s")
            attempts += 1
            deliveries = self._emulator.attempted(deliveries, attempts)
        answers = ["503"] * 5 * attempts
        self._step("five events fail 11 attempts each", deliveries, answers, times=attempts)
        self._emulator.let_pass("4h")
        self._step("the backend is up again: each is retried", self._emulator.attempted(deliveries, 12), ["200"] * 5)

    def _faults(self):
        self._teller.heading("6. Faults on the sender's side: each rejected delivery is retried without the fault")
        for fault, what, expected in [
            ("tampered_body", "the body is modified in transit", ["401 signature_mismatch", "200"]),
            ("reserialized_body", "the JSON is reserialized in transit", ["401 signature_mismatch", "200"]),
            ("stale_timestamp", "a timestamp ten minutes in the past", ["401 timestamp_too_old", "200"]),
            ("wrong_key", "signed with an unknown secret", ["401 signature_mismatch", "200"]),
            ("duplicate", "sent again after it succeeded", ["200", "200 duplicate"]),
        ]:
            self._emulator.spoil_next(fault)
            self._step(what, self._retried(self._emit("batch.succeeded"), 2), expected)
        self._emulator.spoil_next("unknown_event_type")
        self._step("an unknown event type", self._emit("batch.succeeded"), ["200"])
        self._emulator.spoil_next("burst")
        self._step("ten events at once", self._emit("batch.succeeded", expected=10), ["200"] * 10)

        self._emulator.spoil_next("reordered")
        self._emulator.emit("batch.succeeded")
        self._emulator.emit("video.generated")
        wait_for(self._stage.seen, "the event that arrives first")
        self._emulator.let_pass("30s")
        deliveries = self._emulator.new_deliveries(2)
        order = [event_type(request) for request in self._stage.seen()]
        wrong = unless(order == ["video.generated", "batch.succeeded"], "expected the second event before the first")
        self._step("a later event arrives first", deliveries, ["200"] * 2, problems=wrong)

    def _emit(self, event, count=1, expected=None):
        """Emits events; returns their deliveries once each was attempted."""
        self._emulator.emit(event, count)
        return self._emulator.new_deliveries(expected or count)

    def _retried(self, deliveries, attempts):
        """Returns the deliveries after this many attempts. Moves the clock forward for a second attempt."""
        if attempts == 2:
            self._emulator.let_pass("15s")
        return self._emulator.attempted(deliveries, attempts)

    def _step(self, what, deliveries, expected, arrive=True, **more):
        arrivals = [self._sent(delivery) for delivery in deliveries] if arrive else []
        self._teller.step(what, self._stage.verdicts(), expected, arrivals, **more)

    def _sent(self, delivery):
        """The request that the backend should receive, as signed by the last attempt."""
        last = delivery["attempts"][-1]
        key = self._label if last["scheme"] == "v1" else last["keys"][0]
        return Sent(delivery["id"], delivery["body"].encode(), key, last["scheme"])


def unless(is_right: bool, what: str) -> list[str]:
    """A list of problems: empty, or this one."""
    return [] if is_right else [what]
