"""Seconds and peak memory of `hw-amc init` and `hw-amc hls` of every network of docs/models.md, one after another.

    nice -n 5 python benchmarks/bench_init.py --json docs/results/init-networks.json [NETWORK ...]

Each float network, with the weights that it is born with, is saved as `.h5` and brought in by the command, which draws
frames to calibrate on, proves golden equal to Keras and measures the noise of every layer. Seconds are of the whole
command, by the clock and of the processors; memory is resident in the command and all its workers, looked at five times
a second. Then `hls` writes the project, compiles it, and compares each integer of each layer with Keras'. FILE keeps
what earlier runs found of other networks.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bench_dataset import children, resident_mib

from hw_amc.files import write_text
from hw_amc.graph import Graph
from hw_amc.models import MODELS, Classes, find
from hw_amc.workspace import SHIPPED

COMMAND = "python benchmarks/bench_init.py"
#: Goals: seconds of each command on two cores, and memory of `init`.
SECONDS, HLS_SECONDS, MEMORY_MIB = 300, 600, 4096
LOOK_S = 0.2


def family(process: int) -> list[int]:
    """A process and all that come from it."""
    return [process, *(each for child in children(process) for each in family(child))]


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds by the clock and of the processors, and peak memory."""

    seconds: float
    processor_s: float
    memory_mib: float


def processor_seconds() -> float:
    """Seconds of the processors in all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watched(command: list[str], root: Path) -> Spent:
    """Run a command in a workspace.

    Raises
    ------
    SystemExit
        The command failed.
    """
    environment = {**os.environ, "HW_AMC_ROOT": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    began, used, peak = time.monotonic(), processor_seconds(), 0.0
    with (
        (root / "said.txt").open("w") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=environment) as process,
    ):
        while process.poll() is None:
            peak = max(peak, sum(map(resident_mib, family(process.pid))))
            time.sleep(LOOK_S)
    if process.returncode:
        raise SystemExit((root / "said.txt").read_text() + f"{' '.join(command)}: exit code {process.returncode}")
    return Spent(time.monotonic() - began, processor_seconds() - used, peak)


def bring_in(model: Any, name: str, classes: Classes, root: Path) -> Spent:
    """Save a network as a user would, and bring it in as project `my_<name>`."""
    file = root / f"my_{name}.h5"
    model.save(file, save_format="h5")
    names = ";".join(map(",".join, classes))
    try:
        return watched([sys.executable, "-m", "hw_amc", "init", str(file), "--classes", names], root)
    finally:
        file.unlink()


def make_hls(name: str, root: Path) -> tuple[Spent, int]:
    """Make the HLS project of `my_<name>` of nothing that is kept; what it took, and the integers that are equal."""
    spent = watched([sys.executable, "-m", "hw_amc", "hls", f"my_{name}"], root)
    report = json.loads((root / "hls_projects" / f"my_{name}" / "build" / "report.json").read_text())
    return spent, sum(each["integers"] for each in report["csim"].values())


def newborn(name: str) -> Any:
    """A network of docs/models.md with the weights that it is born with, the same ones in each run."""
    from tensorflow import keras

    keras.utils.set_random_seed(20)
    return find(name).build()


def least_sqnr_db(folder: Path) -> float:
    """Signal to quantisation noise of the noisiest head, measured by `init`."""
    layers = json.loads((folder / "init.json").read_text())["layers"]
    heads = Graph.load(folder).outputs
    return min(each["sqnr_db"] for each in layers if each["layer"] in heads)


def make_root(folder: Path) -> Path:
    """A workspace with no model in it."""
    folder.mkdir(exist_ok=True)
    (folder / "boards").symlink_to(SHIPPED / "boards")
    (folder / "hls_projects").mkdir()
    return folder


def main() -> None:
    """Measure the networks asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=list(MODELS), help="all by default")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    found: dict[str, Any] = json.loads(arguments.json.read_text())["networks"] if arguments.json.exists() else {}
    for name in arguments.networks:
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            root = make_root(Path(folder))
            spent = bring_in(newborn(name), name, find(name).classes, root)
            sqnr = least_sqnr_db(root / "hls_projects" / f"my_{name}")
            made, integers = make_hls(name, root)
        found[name] = {
            "parameters": find(name).parameters, "seconds": round(spent.seconds, 1),
            "processor_s": round(spent.processor_s, 1), "memory_mib": round(spent.memory_mib),
            "sqnr_db": round(sqnr, 1), "load_before": round(load, 1),
            "hls_seconds": round(made.seconds, 1), "hls_memory_mib": round(made.memory_mib), "hls_integers": integers,
            "met": spent.seconds <= SECONDS and spent.memory_mib <= MEMORY_MIB and made.seconds <= HLS_SECONDS,
        }  # fmt: skip
        print(name, found[name], flush=True)
        whole = {
            "date": date.today().isoformat(), "command": COMMAND, "kind": "measured", "cores": os.cpu_count(),
            "goal": {"seconds": SECONDS, "memory_mib": MEMORY_MIB, "hls_seconds": HLS_SECONDS},
            "networks": {key: found[key] for key in MODELS if key in found},
        }  # fmt: skip
        write_text(arguments.json, json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
