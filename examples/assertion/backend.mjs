// A backend that accepts a request only with an assertion of countersign-gateway: jose and Node.js.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const LARGEST_BODY = 16 * 1024 * 1024;

const { values: given } = parseArgs({
  options: {
    port: { type: "string", default: "3000" },
    jwks: { type: "string", default: "http://127.0.0.1:9901/.well-known/jwks.json" },
    issuer: { type: "string" },
    audience: { type: "string" },
  },
});
if (!given.issuer || !given.audience) {
  throw new Error("--issuer and --audience are required");
}

// It is cached, and fetched again for an unknown key, at most every 30 s.
const keys = createRemoteJWKSet(new URL(given.jwks));

// The claims about a request with this body. Throws if the assertion is not valid.
async function verified(token, body) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["EdDSA", "ES256"],
    issuer: given.issuer,
    audience: given.audience,
    clockTolerance: 5,
    requiredClaims: ["iat", "exp", "jti", "source", "scheme", "body_sha256"],
  });
  if (payload.body_sha256 !== createHash("sha256").update(body).digest("hex")) {
    throw new errors.JWTClaimValidationFailed("the assertion is for another body", payload, "body_sha256");
  }
  return payload;
}

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
  const token = request.headers["countersign-assertion"] ?? "";
  const body = await read(request);
  if (body === undefined) {
    return [413, "the body is too large"];
  }
  try {
    const claims = await verified(token, body);
    return [200, `${claims.source}: ${claims.event_type} (${claims.jti})`];
  } catch (error) {
    // Errors that are not about the token are those of the fetch of the key set.
    const isRejected = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout);
    return isRejected ? [401, `the assertion is rejected: ${error.message}`] : [503, error.message];
  }
}

createServer(async (request, out) => {
  const [status, text] = await response(request);
  out.writeHead(status).end(`${text}\n`);
}).listen(Number(given.port), "127.0.0.1");
