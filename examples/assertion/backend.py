"""A backend that accepts a request only with an assertion of countersign-gateway: PyJWT and the standard library."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from assertion import LARGEST_BODY, arguments


def handler(verifier):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers.get("content-length", 0))
            if length > LARGEST_BODY:
                return self.respond(413, "the body is too large")
            body = self.rfile.read(length)
            claims, status, text = verifier.check(self.headers.get("countersign-assertion", ""), body)
            if claims is None:
                return self.respond(status, text)
            self.respond(200, f"{claims['source']}: {claims.get('event_type')} ({claims['jti']})")

        def respond(self, status, text):
            body = (text + "\n").encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


if __name__ == "__main__":
    port, verifier = arguments(__doc__)
    ThreadingHTTPServer(("127.0.0.1", port), handler(verifier)).serve_forever()
