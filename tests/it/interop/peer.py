"""Answers an array of questions on stdin with what the `standardwebhooks` package says."""

import base64
import json
import sys
from datetime import datetime, timezone

from standardwebhooks import Webhook


def answer(question):
    body = base64.b64decode(question["body"])
    webhook = Webhook(question["secret"])
    try:
        if question["do"] == "sign":
            moment = datetime.fromtimestamp(question["timestamp"], tz=timezone.utc)
            return {"signature": webhook.sign(question["id"], moment, body.decode())}
        webhook.verify(body, question["headers"])
        return {"verified": True}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout)
