"""Train the networks that have a recipe and no figures yet, one after another, within a total time.

    python benchmarks/train_zoo.py --minutes 60 [NETWORK ...]

Each gets an even share of the time that is left; `hw-amc train --minutes` takes as many steps as fit. A network that
was stopped under way goes on at its checkpoint, and one that has its figures is left alone: give the command again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hw_amc import tools
from hw_amc.errors import HwAmcError
from hw_amc.models import MODELS, find
from hw_amc.workspace import Workspace

#: Seconds beyond its minutes that a network may take: its frames, its figures, a slow machine.
MARGIN_S = 3600.0


def waiting(names: list[str]) -> list[str]:
    """Networks with a recipe whose figures are not here yet, the smallest first."""
    chosen = []
    for spec in sorted(map(find, names or MODELS), key=lambda spec: spec.macs):
        folder = Workspace.open(spec.name).folder
        if (folder / "train.toml").is_file() and not (folder / "accuracy.json").is_file():
            chosen.append(spec.name)
    return chosen


def train(name: str, minutes: float) -> None:
    """Train a network and make the graph of its weights."""
    command = [sys.executable, "-m", "hw_amc"]
    for arguments in (["train", name, "--minutes", f"{minutes:.2f}"], ["graph", name, "--update"]):
        tools.run([*command, *arguments], Path.cwd(), timeout_s=60 * minutes + MARGIN_S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="these; all by default")
    parser.add_argument("--minutes", type=float, required=True, help="total time of the stages")
    options = parser.parse_args()
    deadline, failed = time.monotonic() + 60 * options.minutes, False
    names = waiting(options.networks)
    for place, name in enumerate(names):
        left = (deadline - time.monotonic()) / 60
        if left <= 0:
            print(f"the time is over; still to come: {', '.join(names[place:])}")
            break
        started = time.monotonic()
        try:
            train(name, max(left / (len(names) - place), 0.05))
        except HwAmcError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
        else:
            print(f"{name}: {(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
