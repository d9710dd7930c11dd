"""Verifies assertions of countersign-gateway with PyJWT."""

import argparse
import hashlib

import jwt

ALGORITHMS = ["EdDSA", "ES256"]
REQUIRED = ["iss", "aud", "iat", "exp", "jti", "source", "scheme", "body_sha256"]
LARGEST_BODY = 16 * 1024 * 1024


class Verifier:
    """Verifies assertions with the key set of a gateway, which is cached and fetched again for an unknown key."""

    def __init__(self, jwks, issuer, audience):
        self.keys = jwt.PyJWKClient(jwks, timeout=5)
        self.issuer, self.audience = issuer, audience

    def claims(self, token, body):
        """Returns the claims about a request with this body, or raises jwt.PyJWTError."""
        key = self.keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=self.issuer,
            audience=self.audience,
            leeway=5,
            options={"require": REQUIRED},
        )
        if claims["body_sha256"] != hashlib.sha256(body).hexdigest():
            raise jwt.InvalidTokenError("the assertion is for another body")
        return claims

    def check(self, token, body):
        """Returns the claims, or None and the status and text of the response that rejects the request."""
        try:
            return self.claims(token, body), None, None
        except jwt.PyJWKClientConnectionError as error:
            return None, 503, f"the key set cannot be fetched: {error}"
        except jwt.PyJWTError as error:
            return None, 401, f"the assertion is rejected: {error}"


def arguments(description):
    """Reads the command line of an example. Returns the port and the verifier."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--jwks", default="http://127.0.0.1:9901/.well-known/jwks.json")
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    given = parser.parse_args()
    return given.port, Verifier(given.jwks, given.issuer, given.audience)
