#!/usr/bin/env python3
"""Sends webhooks to the gateway, and checks its responses and the requests that reach the backend.

Each step states its expected result. The exit code is 0 if every step passed.
"""

import argparse
import sys

from acts import Acts
from by_hand import ByHand
from driver import driver
from emulator import Emulator
from stage import Stage, Trouble
from telling import Teller


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--bin", required=True, help="the folder that contains countersign and countersign-gateway")
    options = options.parse_args()
    try:
        with Stage(options.bin) as stage:
            return play(stage)
    except (Trouble, OSError) as trouble:
        print(f"\n {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n Interrupted.", file=sys.stderr)
        return 130


def play(stage):
    sender, teller = driver(stage.emulator_port), Teller(stage)
    teller.heading(
        "countersign: a gateway in front of a backend that knows nothing about webhooks",
        f"`countersign emulate` acts as the Gemini API. The demo calls it through {sender.name}.",
    )
    print()
    teller.columns()
    secret, expired = Acts(stage, Emulator(stage.emulator_port), sender, teller).play()
    ByHand(stage, teller, secret, expired).play()
    return teller.summary()


if __name__ == "__main__":
    sys.exit(main())
