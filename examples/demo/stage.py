"""The processes of the demo: the emulator, the gateway and the backend.

Every process that is started here is also stopped here, by its process id, however the demo ends.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

BACKEND = Path(__file__).resolve().parent.parent / "legacy-backend" / "backend.py"
HOST = "127.0.0.1"
TIMEOUT = 15
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Trouble(Exception):
    """An error that ends the demo."""


class Stage:
    """Starts the processes on entry, and stops them on exit."""

    def __init__(self, bin_dir: str):
        self.bin = Path(bin_dir).resolve()
        self._processes = {}
        self._read = 0

    def __enter__(self):
        for number in SIGNALS:
            signal.signal(number, leave)
        self._folder = tempfile.TemporaryDirectory(prefix="countersign-demo-")
        try:
            self._start_backend()
            self._start_emulator()
            self.gateway_port, self._admin_port = free_ports(2)
            self.address = f"http://{HOST}:{self.gateway_port}/gemini"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        ignore_signals()
        for name in reversed(list(self._processes)):
            self._end(name)
        self._folder.cleanup()

    def run_gateway(self, *secrets: tuple[str, str, Optional[str]]) -> None:
        """Runs the gateway with these secrets: tuples of label, secret and an optional `expires_at`.

        Stops a running gateway first.
        """
        entries = []
        for label, secret, expires_at in secrets:
            file = Path(self._folder.name, f"{label}.secret")
            file.touch(mode=0o600)
            file.write_text(secret)
            expiry = f', expires_at = "{expires_at}"' if expires_at else ""
            entries.append(f'{{ file = "{label}.secret", label = "{label}"{expiry} }}')
        file = Path(self._folder.name, "gateway.toml")
        file.write_text(
            f"""
[server]
listen = ["{HOST}:{self.gateway_port}"]
admin = "{HOST}:{self._admin_port}"

[sources.gemini]
secrets = [{", ".join(entries)}]
jwks = {{ url = "http://{HOST}:{self.emulator_port}/.well-known/jwks.json" }}

[[routes]]
path = "/gemini"
source = "gemini"
upstream = ["http://{HOST}:{self._backend_port}"]
"""
        )
        self._end("gateway")
        self._start("gateway", [self.bin / "countersign-gateway", "--config", file, "--log", "json"])
        self._wait("gateway", lambda: is_ready(self._admin_port))

    def verdicts(self) -> list[str]:
        """The outcome of each request since the last call, from the gateway's log: status and reason."""
        notes = [json.loads(line) for line in self._log("gateway").splitlines() if line.startswith("{")]
        notes = [note for note in notes if note.get("message") == "request"]
        new, self._read = notes[self._read :], len(notes)
        return [verdict(note) for note in new]

    def seen(self) -> list[dict]:
        """The requests that the backend has received since the last reset."""
        return json.loads(fetch(self._control_port, "GET", "/seen"))["requests"]

    def tell_backend(self, **levers):
        """Makes the backend fail, slow down or reset."""
        fetch(self._control_port, "POST", "/control", json.dumps(levers).encode())

    def logs(self):
        """The last log lines of the emulator and the gateway."""
        for name in ("emulator", "gateway"):
            lines = self._log(name).splitlines()[-8:]
            yield f"The {name}'s last lines:\n" + "".join(f"    {line}\n" for line in lines)

    def _start_backend(self):
        self._start("backend", [sys.executable, "-B", BACKEND, "--port", "0", "--control-port", "0"])
        self._wait("backend", lambda: self._log("backend").endswith("\n"))
        # "listening on HOST:PORT, control on HOST:PORT"
        self._backend_port, self._control_port = map(int, re.findall(r":(\d+)", self._log("backend"))[:2])

    def _start_emulator(self):
        emulate = ["emulate", "--listen", f"{HOST}:0", "--seed", "7", "--job-time", "500ms"]
        self._start("emulator", [self.bin / "countersign", *emulate])
        base_url = re.compile(rf"base URL\s+http://{HOST}:(\d+) .*\n")
        self._wait("emulator", lambda: base_url.search(self._log("emulator")))
        self.emulator_port = int(base_url.search(self._log("emulator"))[1])

    def _start(self, name, command):
        with open(Path(self._folder.name, f"{name}.log"), "ab") as log, uninterrupted():
            # A separate session: Ctrl-C in a terminal reaches only the demo, which then stops the other processes.
            self._processes[name] = subprocess.Popen(
                command,
                env={name: value for name, value in os.environ.items() if name != "RUST_LOG"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, name, is_ready):
        deadline = time.monotonic() + 30
        while not is_ready():
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise Trouble(f"the {name} did not start:\n{self._log(name)}")
            time.sleep(0.05)

    def _end(self, name):
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log(self, name):
        file = Path(self._folder.name, f"{name}.log")
        return file.read_text(errors="replace") if file.exists() else ""


def leave(number, _):
    """Turns a signal into an exception, so that every path cleans up."""
    # A second signal must not interrupt the cleanup.
    ignore_signals()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def ignore_signals():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def uninterrupted():
    """Defers signals, so that no process is started without being recorded for cleanup."""
    held = []
    handlers = {number: signal.signal(number, lambda number, _: held.append(number)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in held[:1]:
        signal.raise_signal(number)


def verdict(note: dict) -> str:
    """For example `200`, `200 duplicate`, `401 signature_mismatch`, or `503` from the backend."""
    word = {"confirmed": "", "released": ""}.get(note["outcome"], note.get("reason") or note["outcome"])
    return f"{note['status']} {word}".strip()


def free_ports(count: int) -> list[int]:
    """Ports that are currently free."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def is_ready(admin_port: int) -> bool:
    try:
        fetch(admin_port, "GET", "/readyz")
        return True
    except (OSError, Trouble):
        return False


def fetch(port: int, method: str, path: str, body: Optional[bytes] = None, headers: Optional[dict] = None) -> bytes:
    """Returns the body of a 200 response; any other status is an error."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise Trouble(f"{method} {path} returned {response.status}: {content.decode(errors='replace')}")
        return content
    finally:
        connection.close()
