#!/usr/bin/env python3
"""A backend that knows nothing about webhooks. It accepts every POST and records it.

It represents a service that nobody will change. A second port, to which no gateway forwards, shows the
recorded requests and makes the backend fail or slow down.
"""

import argparse
import hashlib
import json
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 16 * 1024 * 1024


class Seen:
    """The recorded requests, and the settings for the next responses."""

    def __init__(self):
        self._lock = threading.Lock()
        self.reset()

    def reset(self):
        with self._lock:
            self._requests = []
            self._fail = (0, 500)
            self._delay = (0, 0.0)

    def levers(self, wanted):
        """Applies the settings in `wanted`. Returns an error message if they are invalid."""
        unknown = set(wanted) - {"fail", "delay", "reset"}
        if unknown:
            return f"unknown keys: {', '.join(sorted(unknown))}; use fail, delay or reset"
        try:
            fail = wanted.get("fail")
            fail = fail and (int(fail.get("times", 1)), int(fail["status"]))
            delay = wanted.get("delay")
            delay = delay and (int(delay.get("times", 1)), float(delay["seconds"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            return 'invalid value: use {"fail": {"status": N, "times": N}} or {"delay": {"seconds": N, "times": N}}'
        if wanted.get("reset"):
            self.reset()
        with self._lock:
            self._fail = fail or self._fail
            self._delay = delay or self._delay
        return None

    def arrival(self, method, path, headers, body):
        """Records a request. Returns the record, the delay in seconds and the status of the response."""
        record = {
            "method": method,
            "path": path,
            "headers": headers,
            "body_length": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "status": None,
        }
        with self._lock:
            self._requests.append(record)
            times, seconds = self._delay
            self._delay = (max(times - 1, 0), seconds)
            wait = seconds if times > 0 else 0.0
            times, status = self._fail
            self._fail = (max(times - 1, 0), status)
            return record, wait, (status if times > 0 else 200)

    def as_json(self):
        with self._lock:
            return json.dumps({"requests": self._requests}).encode() + b"\n"


class Handler(BaseHTTPRequestHandler):
    """Reads complete requests and responds over persistent connections."""

    protocol_version = "HTTP/1.1"
    server_version = "legacy-backend"
    timeout = 60

    def body(self):
        """Returns the body. Without a valid length, it responds with 411 and returns `None`."""
        length = self.headers.get("content-length", "")
        if "transfer-encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self.answer(411, b'{"error":"send a content-length of at most 16 MiB"}\n')
            return None
        return self.rfile.read(int(length))

    def answer(self, status, body, content_type="application/json"):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Prints nothing: the handler of deliveries prints a line for each request."""


class Deliveries(Handler):
    def do_POST(self):
        body = self.body()
        if body is None:
            return
        record, wait, status = self.server.seen.arrival(self.command, self.path, list(self.headers.items()), body)
        time.sleep(wait)
        record["status"] = status
        print(f"{self.command} {self.path} {len(body)} bytes -> {status}", flush=True)
        self.answer(status, b'{"received":true}\n' if status < 400 else b'{"received":false}\n')


class Control(Handler):
    def do_GET(self):
        if self.path == "/seen":
            self.answer(200, self.server.seen.as_json())
        else:
            self.answer(404, b'{"error":"not found: use GET /seen or POST /control"}\n')

    def do_POST(self):
        body = self.body()
        if body is None:
            return
        if self.path != "/control":
            return self.answer(404, b'{"error":"not found: use GET /seen or POST /control"}\n')
        try:
            wanted = json.loads(body)
            mistake = self.server.seen.levers(wanted) if isinstance(wanted, dict) else "the body is not a JSON object"
        except ValueError:
            mistake = "the body is not JSON"
        answer = json.dumps({"error": mistake} if mistake else {"ok": True})
        self.answer(400 if mistake else 200, answer.encode() + b"\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, host, port, handler, seen):
        self.seen = seen
        super().__init__((host, port), handler)

    def process_request(self, request, client_address):
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        """Ignores clients that disconnect, and prints other errors on one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, socket.timeout)):
            print(f"error: {error!r}", file=sys.stderr, flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=3000, help="webhooks; 0 selects a free port (default: 3000)")
    options.add_argument("--control-port", type=int, default=3001, help="GET /seen, POST /control (default: 3001)")
    options = options.parse_args()

    seen = Seen()
    servers = [
        Server(options.host, options.port, Deliveries, seen),
        Server(options.host, options.control_port, Control, seen),
    ]
    ports = [server.server_address[1] for server in servers]
    print(f"listening on {options.host}:{ports[0]}, control on {options.host}:{ports[1]}", flush=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    try:
        servers[0].serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
