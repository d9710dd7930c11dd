"""A backend for compose.yaml: prints the message id and the type of each verified webhook."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        print(self.headers["countersign-message-id"], self.headers["countersign-event-type"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 3000), Handler).serve_forever()
