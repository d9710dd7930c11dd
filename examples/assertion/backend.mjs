// A backend that accepts a request only with an assertion of countersign-gateway: jose and Node.js.

import { createServer } from "node:http";

import { LARGEST_BODY, options, verifier } from "./assertion.mjs";

const given = options();
const verify = verifier(given);

// The body; undefined if it is too large.
async function read(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LARGEST_BODY) {
      return undefined;
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function response(request) {
  const body = await read(request);
  if (body === undefined) {
    return [413, "the body is too large"];
  }
  const { claims, status, text } = await verify(request.headers["countersign-assertion"] ?? "", body);
  return claims ? [200, `${claims.source}: ${claims.event_type} (${claims.jti})`] : [status, text];
}

createServer(async (request, out) => {
  const [status, text] = await response(request);
  out.writeHead(status).end(`${text}\n`);
}).listen(Number(given.port), "127.0.0.1");
