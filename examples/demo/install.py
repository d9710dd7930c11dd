#!/usr/bin/env python3
"""Installs the official SDK into a virtual environment in the given folder, and prints the Python to use.

If the SDK cannot be installed, it prints the path of this Python, and the demo runs without the SDK.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from driver import PACKAGE, VERSION

TIME_LIMIT = 120


def main():
    folder = Path(sys.argv[1], f"{PACKAGE}-{VERSION}-python{sys.version_info.major}.{sys.version_info.minor}")
    python, is_complete = folder / "bin" / "python", folder / "complete"
    if not is_complete.exists() or not python.exists():
        try:
            install(folder, python)
            is_complete.touch()
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            print(f"demo: cannot install {PACKAGE} {VERSION}: {reason(error)}", file=sys.stderr)
            python = sys.executable
    print(python)


def install(folder: Path, python: Path) -> None:
    print(f"demo: installing {PACKAGE} {VERSION} into {folder}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "venv", folder)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir"]
    # Only wheels: no code of a package runs during the installation.
    run(*pip, "--only-binary=:all:", "--retries=1", "--timeout=15", f"{PACKAGE}=={VERSION}")


def run(*command) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT, check=True)


def reason(error: Exception):
    """The last line that the failed command printed, or the error itself."""
    outputs = (getattr(error, name, None) or b"" for name in ("stdout", "stderr"))
    said = b"\n".join(outputs).decode(errors="replace").strip().splitlines()
    return said[-1] if said else error


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
