// An Express application that accepts webhooks only with an assertion of countersign-gateway.

import express from "express";

import { LARGEST_BODY, options, verifier } from "./assertion.mjs";

const given = options();
const verify = verifier(given);

// Calls the next handler only with a valid assertion for the body. `request.webhook` has its claims, and `request.body`
// the event. The assertion names the hash of the bytes, so they must not be parsed before.
const asserted = [
  express.raw({ type: () => true, limit: LARGEST_BODY }),
  async (request, response, next) => {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const { claims, status, text } = await verify(request.get("countersign-assertion") ?? "", body);
    if (!claims) {
      response.status(status).type("text").send(`${text}\n`);
      return;
    }
    request.webhook = claims;
    request.body = JSON.parse(body);
    next();
  },
];

const app = express();
app.disable("x-powered-by");
app.post("/{*path}", asserted, (request, response) => {
  const { source, jti } = request.webhook;
  response.type("text").send(`${source}: ${request.body.type} (${jti})\n`);
});
app.listen(Number(given.port), "127.0.0.1");
