"""What a sender does, and what can go wrong on its side: everything that the emulator plays."""

import json
from datetime import datetime, timedelta, timezone

from emulator import wait_for
from telling import Sent, event_type

EVENTS = ["batch.succeeded", "batch.failed", "interaction.completed", "video.generated"]


class Acts:
    """The acts in which the emulator sends, in order."""

    def __init__(self, stage, emulator, driver, teller):
        self._stage = stage
        self._emulator = emulator
        self._driver = driver
        self._teller = teller
        # The gateway's name for the secret that it finds first.
        self._label = "secret-1"

    def play(self):
        """Gives the webhook's secret in the end, and one whose time is over by then."""
        webhook, first = self._registration()
        self._jobs()
        self._jobs_with_an_address()
        second = self._rotation(webhook, first)
        self._outage()
        self._faults()
        return second, first

    def _registration(self):
        self._teller.heading("1. A webhook is registered; its secret, shown once, goes to the gateway")
        webhook, secret = self._driver.register(self._stage.address, EVENTS)
        self._stage.run_gateway((self._label, secret, None))
        self._driver.ping(webhook)
        self._step("the webhook is pinged", self._emulator.new_deliveries(), ["200"])
        return webhook, secret

    def _jobs(self):
        self._teller.heading("2. Jobs end, and what is pushed is what polling says")
        question = "Why is the sky blue?"
        self._ends("an interaction", self._driver.ask(question), self._driver.interaction_state, "completed")
        self._ends("a batch", self._driver.batch(question), self._driver.batch_state, "succeeded")
        self._ends("a batch that fails", self._driver.batch("[[fail]]"), self._driver.batch_state, "failed")

    def _ends(self, what, name, state, end):
        deliveries = self._emulator.new_deliveries()
        event = json.loads(deliveries[0]["body"])
        pushed, polled = (event["data"]["id"], event["type"].rpartition(".")[2]), (name, state(name))
        wrong = unless(pushed == polled == (name, end), f"expected {name} {end}; pushed {pushed}, polled {polled}")
        self._step(what, deliveries, ["200"], problems=wrong)

    def _jobs_with_an_address(self):
        self._teller.heading("3. Batches that bring an address along: signed with published keys (a JWKS)")
        self._batch_with_an_address("a batch with a webhook_config", ["200"])
        keys = self._emulator.rotate_keys()
        self._batch_with_an_address("the same, after the keys were replaced", ["200"], keys)
        self._emulator.spoil_next("wrong_key")
        answers = ["401 signature_mismatch", "200"]
        self._batch_with_an_address("signed with a key that is not published", answers)

    def _batch_with_an_address(self, what, expected, keys=None):
        """With `keys`, it is to be signed with one of these."""
        metadata = {"order": 42}
        name = self._driver.batch("Why?", {"uris": [self._stage.address], "user_metadata": metadata})
        deliveries = self._emulator.new_deliveries()
        data, used = json.loads(deliveries[0]["body"])["data"], deliveries[0]["attempts"][0]["keys"]
        returned = (data["id"], data.get("user_metadata"))
        wrong = unless(returned == (name, metadata), f"expected {name} and {metadata}, it was {returned}")
        wrong += unless(not keys or used[0] in keys, f"expected one of the keys {keys}, it was {used}")
        self._step(what, self._retried(deliveries, len(expected)), expected, problems=wrong)

    def _rotation(self, webhook, first):
        self._teller.heading(
            "4. The secret is replaced, and the gateway hears of it a day too late",
            "   (the emulator's clock is moved on; the gateway's is the real one)",
        )
        second = self._driver.rotate(webhook)
        deliveries = self._emit("batch.succeeded")
        signed, listed = deliveries[0]["attempts"][0]["keys"], self._driver.secrets(webhook)
        wrong = unless(len(signed) == 2 and set(signed) == set(listed), f"expected {listed} to sign, it was {signed}")
        self._step("for a day, the old and the new one sign", deliveries, ["200"], problems=wrong)

        self._emulator.let_pass("25h")
        late = self._emit("batch.succeeded")
        self._step("25 hours later, the new one alone does", late, ["401 signature_mismatch"], arrive=False)
        # Its day is over for the sender; the gateway goes by its own clock, so it is told of a time that is past.
        past = datetime.now(tz=timezone.utc) - timedelta(minutes=1)
        self._label, old = "secret-2", self._label
        self._stage.run_gateway((self._label, second, None), (old, first, f"{past:%Y-%m-%dT%H:%M:%SZ}"))
        self._step("the gateway is given it; the retry passes", self._retried(late, 2), ["200"])
        return second

    def _outage(self):
        self._teller.heading("5. The backend is down for three hours, which pass in a moment")
        self._stage.tell_backend(fail={"status": 503, "times": 1_000_000})
        deliveries, attempts = self._emit("batch.succeeded", count=5), 1
        # Each pause is twice as long as the one before, from 10 seconds on, and up to a fifth longer.
        while attempts < 11:
            self._emulator.let_pass(f"{12 * 2 ** (attempts - 1)}s")
            attempts += 1
            deliveries = self._emulator.attempted(deliveries, attempts)
        answers = ["503"] * 5 * attempts
        self._step("five events, 11 attempts each, all fail", deliveries, answers, times=attempts)
        self._emulator.let_pass("4h")
        self._step("it is back: the next retry of each", self._emulator.attempted(deliveries, 12), ["200"] * 5)

    def _faults(self):
        self._teller.heading("6. The sender goes wrong, as it is asked to; what was refused comes again, and right")
        for fault, what, expected in [
            ("tampered_body", "the body is changed on its way", ["401 signature_mismatch", "200"]),
            ("reserialized_body", "the same JSON, written anew on its way", ["401 signature_mismatch", "200"]),
            ("stale_timestamp", "signed ten minutes ago", ["401 timestamp_too_old", "200"]),
            ("wrong_key", "signed with a stranger's secret", ["401 signature_mismatch", "200"]),
            ("duplicate", "sent again after it succeeded", ["200", "200 duplicate"]),
        ]:
            self._emulator.spoil_next(fault)
            self._step(what, self._retried(self._emit("batch.succeeded"), 2), expected)
        self._emulator.spoil_next("unknown_event_type")
        self._step("an event that nobody has heard of", self._emit("batch.succeeded"), ["200"])
        self._emulator.spoil_next("burst")
        self._step("ten events at once", self._emit("batch.succeeded", expected=10), ["200"] * 10)

        self._emulator.spoil_next("reordered")
        self._emulator.emit("batch.succeeded")
        self._emulator.emit("video.generated")
        wait_for(self._stage.seen, "the event that overtakes the other")
        self._emulator.let_pass("30s")
        deliveries = self._emulator.new_deliveries(2)
        order = [event_type(request) for request in self._stage.seen()]
        wrong = unless(order == ["video.generated", "batch.succeeded"], "expected the second event before the first")
        self._step("an event overtakes the one before it", deliveries, ["200"] * 2, problems=wrong)

    def _emit(self, event, count=1, expected=None):
        """The deliveries of these events, once each was attempted."""
        self._emulator.emit(event, count)
        return self._emulator.new_deliveries(expected or count)

    def _retried(self, deliveries, attempts):
        """The same, once they were attempted so many times: for a second attempt, time passes."""
        if attempts == 2:
            self._emulator.let_pass("15s")
        return self._emulator.attempted(deliveries, attempts)

    def _step(self, what, deliveries, expected, arrive=True, **more):
        arrivals = [self._sent(delivery) for delivery in deliveries] if arrive else []
        self._teller.step(what, self._stage.verdicts(), expected, arrivals, **more)

    def _sent(self, delivery):
        """What the backend is to see: as its last attempt was signed."""
        last = delivery["attempts"][-1]
        key = self._label if last["scheme"] == "v1" else last["keys"][0]
        return Sent(delivery["id"], delivery["body"].encode(), key, last["scheme"])


def unless(is_right: bool, what: str) -> list[str]:
    """A list of what is wrong: nothing, or this."""
    return [] if is_right else [what]
