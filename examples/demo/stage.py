"""The stage of the demo: a backend, the gateway in front of it, and the sender's hands.

Whatever is started here is ended here, by its process id, however the play ends.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

BACKEND = Path(__file__).resolve().parent.parent / "legacy-backend" / "backend.py"
HOST = "127.0.0.1"
TIMEOUT = 15


class Trouble(Exception):
    """The play cannot go on, and why."""


@dataclass
class Delivery:
    """A request to the gateway, header by header."""

    body: bytes
    headers: list
    path: str = "/gemini"
    method: str = "POST"


@dataclass
class Answer:
    """What the gateway said."""

    status: int
    headers: dict
    body: bytes = field(repr=False)

    @property
    def word(self):
        """The one word beside the status: the `code` of a refusal, or the outcome."""
        if self.headers.get("content-type") == "application/problem+json":
            return json.loads(self.body).get("code", "")
        return self.headers.get("countersign-outcome", "")

    def __str__(self):
        return f"{self.status} {self.word}".strip()


class Stage:
    """Sets up on entry, and clears away on exit."""

    def __init__(self, bin_dir, secrets, config):
        self._bin = Path(bin_dir)
        self._secrets = secrets
        self._config = config
        self._processes = []

    def __enter__(self):
        # A signal becomes an exception, so that the clearing away is on every path.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        self._folder = tempfile.TemporaryDirectory(prefix="countersign-demo-")
        try:
            self._start_backend()
            self._start_gateway()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # An impatient second signal must not leave half of it behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def sign(self, secrets, message_id, timestamp, body):
        """The headers that `countersign sign` makes."""
        command = [self._bin / "countersign", "sign", "--id", message_id, "--timestamp", str(timestamp)]
        for name in secrets:
            command += ["--secret-env", name]
        signed = subprocess.run(
            [*command, "-"], input=body, env=self._environment(), stdout=subprocess.PIPE, timeout=TIMEOUT, check=False
        )
        if signed.returncode != 0:
            raise Trouble(f"countersign sign ended with {signed.returncode}")
        return [tuple(line.split(": ", 1)) for line in signed.stdout.decode().splitlines() if line]

    def send(self, delivery):
        """Sends over a connection of its own, and waits for the answer."""
        try:
            with closing(self._request(delivery)) as connection:
                response = connection.getresponse()
                headers = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Trouble(f"the gateway gave no answer: {error!r}\n{self.log()}") from None

    def send_and_hang_up(self, delivery):
        """Sends, and hangs up as soon as the backend is at work on it."""
        with closing(self._request(delivery)):
            deadline = time.monotonic() + TIMEOUT
            while not self.seen() and time.monotonic() < deadline:
                time.sleep(0.02)

    def _request(self, delivery):
        connection = http.client.HTTPConnection(HOST, self._port, timeout=TIMEOUT)
        connection.putrequest(delivery.method, delivery.path, skip_accept_encoding=True)
        for name, value in delivery.headers:
            connection.putheader(name, value)
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(delivery.body)))
        connection.endheaders(delivery.body)
        return connection

    def seen(self):
        """What the backend saw since the last reset."""
        return json.loads(fetch(self._control_port, "GET", "/seen"))["requests"]

    def tell_backend(self, **levers):
        """Makes the backend fail, dawdle or forget."""
        fetch(self._control_port, "POST", "/control", json.dumps(levers).encode())

    def log(self):
        """The last of what the gateway wrote."""
        return "".join(f"    {line}\n" for line in self._read_log("gateway").splitlines()[-20:])

    def _environment(self):
        return {**os.environ, **self._secrets}

    def _start(self, name, command):
        with open(Path(self._folder.name, f"{name}.log"), "wb") as log:
            # A session of its own: Ctrl-C in a terminal reaches the play alone, which then ends the others.
            process = subprocess.Popen(
                command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _read_log(self, name):
        return Path(self._folder.name, f"{name}.log").read_text(errors="replace")

    def _wait(self, name, process, is_ready):
        deadline = time.monotonic() + 30
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Trouble(f"the {name} did not start:\n{self._read_log(name)}")
            time.sleep(0.05)

    def _start_backend(self):
        process = self._start("backend", [sys.executable, BACKEND, "--port", "0", "--control-port", "0"])
        self._wait("backend", process, lambda: self._read_log("backend").endswith("\n"))
        # "listening on HOST:PORT, control on HOST:PORT"
        ports = [int(word.strip(",").rpartition(":")[2]) for word in self._read_log("backend").split() if ":" in word]
        self._backend_port, self._control_port = ports

    def _start_gateway(self):
        self._port, admin_port = free_ports(2)
        file = Path(self._folder.name, "gateway.toml")
        file.write_text(
            self._config.format(
                listen=f"{HOST}:{self._port}",
                admin=f"{HOST}:{admin_port}",
                backend=f"http://{HOST}:{self._backend_port}",
            )
        )
        process = self._start("gateway", [self._bin / "countersign-gateway", "--config", file])
        self._wait("gateway", process, lambda: is_ready(admin_port))


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def is_ready(admin_port):
    try:
        fetch(admin_port, "GET", "/readyz")
        return True
    except (OSError, Trouble):
        return False


def fetch(port, method, path, body=None):
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise Trouble(f"{method} {path} answered {response.status}: {content.decode(errors='replace')}")
        return content
    finally:
        connection.close()
