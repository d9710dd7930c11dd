"""Clients of the Gemini API: the official SDK, or plain HTTP requests if it cannot be installed.

Both have the same methods and send the same requests to the emulator.
"""

import importlib.metadata
import json
import os
from typing import Optional

from stage import HOST, fetch

PACKAGE, VERSION = "google-genai", "3.6.1"
MODEL = "gemini-2.5-flash"
GRACE = "revoke_previous_secrets_after_h24"


def driver(port: int):
    """Returns a client that uses the SDK if this Python has the required version, or plain requests otherwise."""
    try:
        has_sdk = importlib.metadata.version(PACKAGE) == VERSION
    except importlib.metadata.PackageNotFoundError:
        has_sdk = False
    return Sdk(port) if has_sdk else Requests(port)


class Sdk:
    """The official Python SDK, unmodified, with another base URL."""

    name = f"the official Python SDK, {PACKAGE} {VERSION}"

    def __init__(self, port: int):
        # Settings for the real service must not affect the demo.
        for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GEMINI_"))]:
            del os.environ[name]
        os.environ["NO_PROXY"] = HOST
        from google import genai

        self._client = genai.Client(api_key="demo", http_options={"base_url": f"http://{HOST}:{port}"})

    def register(self, uri: str, events: list[str]) -> tuple[str, str]:
        """Returns the id of the webhook and its secret, which is shown only once."""
        webhook = self._client.webhooks.create(name="demo", uri=uri, subscribed_events=events)
        return webhook.id, webhook.new_signing_secret

    def ping(self, webhook: str) -> None:
        self._client.webhooks.ping(webhook)

    def rotate(self, webhook: str) -> str:
        """Returns a new secret. The old one keeps signing for 24 hours."""
        return self._client.webhooks.rotate_signing_secret(webhook, revocation_behavior=GRACE).secret

    def secrets(self, webhook: str) -> list[str]:
        """The active secrets, truncated."""
        return [secret.truncated_secret for secret in self._client.webhooks.get(webhook).signing_secrets]

    def ask(self, question: str) -> str:
        """Starts an interaction in the background and returns its id."""
        return self._client.interactions.create(model=MODEL, input=question, background=True).id

    def interaction_state(self, name: str) -> str:
        return self._client.interactions.get(name).status

    def batch(self, question: str, webhook_config: Optional[dict] = None) -> str:
        """Starts a batch of one question and returns its name."""
        config = {"display_name": "demo"}
        if webhook_config:
            config["webhook_config"] = webhook_config
        return self._client.batches.create(model=MODEL, src=[{"contents": question}], config=config).name

    def batch_state(self, name: str) -> str:
        return self._client.batches.get(name=name).state.name.rpartition("_")[2].lower()


class Requests:
    """Plain HTTP requests, as the SDK would send them."""

    name = "plain HTTP requests\n (the official Python SDK is not installed)"

    def __init__(self, port: int):
        self._port = port

    def register(self, uri: str, events: list[str]) -> tuple[str, str]:
        webhook = self._call("POST", "webhooks", {"name": "demo", "uri": uri, "subscribed_events": events})
        return webhook["id"], webhook["new_signing_secret"]

    def ping(self, webhook: str) -> None:
        self._call("POST", f"webhooks/{webhook}:ping")

    def rotate(self, webhook: str) -> str:
        return self._call("POST", f"webhooks/{webhook}:rotateSigningSecret", {"revocation_behavior": GRACE})["secret"]

    def secrets(self, webhook: str) -> list[str]:
        return [secret["truncated_secret"] for secret in self._call("GET", f"webhooks/{webhook}")["signing_secrets"]]

    def ask(self, question: str) -> str:
        return self._call("POST", "interactions", {"model": MODEL, "input": question, "background": True})["id"]

    def interaction_state(self, name: str) -> str:
        return self._call("GET", f"interactions/{name}")["status"]

    def batch(self, question: str, webhook_config: Optional[dict] = None) -> str:
        request = {"request": {"contents": [{"role": "user", "parts": [{"text": question}]}]}}
        batch = {"displayName": "demo", "inputConfig": {"requests": {"requests": [request]}}}
        if webhook_config:
            batch["webhookConfig"] = webhook_config
        return self._call("POST", f"models/{MODEL}:batchGenerateContent", {"batch": batch})["name"]

    def batch_state(self, name: str) -> str:
        return self._call("GET", name)["metadata"]["state"].rpartition("_")[2].lower()

    def _call(self, method: str, path: str, body: Optional[dict] = None) -> dict:
        body = None if body is None else json.dumps(body).encode()
        headers = {"x-goog-api-key": "demo", "content-type": "application/json"}
        return json.loads(fetch(self._port, method, f"/v1/{path}", body, headers))
