// Verifies assertions of countersign-gateway with jose.

import { createHash } from "node:crypto";
import { parseArgs } from "node:util";

import { createRemoteJWKSet, errors, jwtVerify } from "jose";

export const LARGEST_BODY = 16 * 1024 * 1024;

// The options of the examples.
export function options() {
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
  return given;
}

// A function that returns the claims about a request with a body, or the status and the text of the response that
// rejects it.
export function verifier({ jwks, issuer, audience }) {
  // It is cached, and fetched again for an unknown key, at most every 30 s.
  const keys = createRemoteJWKSet(new URL(jwks));

  async function verified(token, body) {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ["EdDSA", "ES256"],
      issuer,
      audience,
      clockTolerance: 5,
      requiredClaims: ["iat", "exp", "jti", "source", "scheme", "body_sha256"],
    });
    if (payload.body_sha256 !== createHash("sha256").update(body).digest("hex")) {
      throw new errors.JWTClaimValidationFailed("the assertion is for another body", payload, "body_sha256");
    }
    return payload;
  }

  return async (token, body) => {
    try {
      return { claims: await verified(token, body) };
    } catch (error) {
      // Errors that are not about the token are those of the fetch of the key set.
      const isRejected = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout);
      return isRejected
        ? { status: 401, text: `the assertion is rejected: ${error.message}` }
        : { status: 503, text: error.message };
    }
  };
}
