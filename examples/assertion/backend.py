"""A backend that accepts a request only with an assertion of countersign-gateway: PyJWT and the standard library."""

import argparse
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


def handler(verifier):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("content-length", 0))
            if length > LARGEST_BODY:
                return self.respond(413, "the body is too large")
            body = self.rfile.read(length)
            try:
                claims = verifier.claims(self.headers.get("countersign-assertion", ""), body)
            except jwt.PyJWKClientConnectionError as error:
                return self.respond(503, f"the key set cannot be fetched: {error}")
            except jwt.PyJWTError as error:
                return self.respond(401, f"the assertion is rejected: {error}")
            self.respond(200, f"{claims['source']}: {claims.get('event_type')} ({claims['jti']})")

        def respond(self, status, text):
            body = (text + "\n").encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--jwks", default="http://127.0.0.1:9901/.well-known/jwks.json")
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    given = parser.parse_args()
    verifier = Verifier(given.jwks, given.issuer, given.audience)
    ThreadingHTTPServer(("127.0.0.1", given.port), handler(verifier)).serve_forever()


if __name__ == "__main__":
    main()
