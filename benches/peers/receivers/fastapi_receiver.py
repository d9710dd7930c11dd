"""FastAPI with the package standardwebhooks: python fastapi_receiver.py PORT"""

import os
import sys

import uvicorn
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

app = FastAPI()
webhook = Webhook(os.environ["COUNTERSIGN_BENCH_SECRET"])


@app.post("/webhook")
async def receive(request: Request) -> Response:
    try:
        webhook.verify(await request.body(), dict(request.headers))
    except WebhookVerificationError:
        return Response(status_code=401)
    return Response(status_code=200)


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
