"""Flask on waitress with the package standardwebhooks: python flask_receiver.py PORT"""

import os
import sys

import waitress
from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["COUNTERSIGN_BENCH_SECRET"])


@app.post("/webhook")
def receive():
    try:
        webhook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return "", 401
    return "", 200


waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=8, backlog=1024)
