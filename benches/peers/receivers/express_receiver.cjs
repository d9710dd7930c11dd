// Express with the package standardwebhooks: node express_receiver.cjs PORT
const express = require("express");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const app = express();
const webhook = new Webhook(process.env.COUNTERSIGN_BENCH_SECRET);

app.post("/webhook", express.raw({ type: "*/*" }), (request, response) => {
  try {
    webhook.verify(request.body, request.headers);
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return response.sendStatus(401);
  }
  response.sendStatus(200);
});

app.listen(Number(process.argv[2]), "127.0.0.1");
