"""Whole networks of docs/models.md through the C simulation: python benchmarks/zoo_csim.py NETWORK... --json FILE.

Each is built with random weights, deployed, written as an HLS project with about 64 multipliers a layer, compiled, and
simulated. Every integer of every layer must be golden's, and golden's Keras'. What it took is kept for each step:
seconds, seconds of processors, and the memory of the largest process. FILE keeps what earlier runs found of other
networks.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc import hls
from hw_amc.compress.deploy import deploy
from hw_amc.files import write_text
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import csim, estimate
from hw_amc.hls.network import PRODUCTS
from hw_amc.models import MODELS
from hw_amc.verify import equality
from hw_amc.verify.keras import KerasReference

COMMAND = "python benchmarks/zoo_csim.py"
PART, CLOCK_NS = "xc7z020clg400-1", 8.0
CALIBRATED = 32
#: g++ compiles whole networks in a fifth of the time, and a few frames are simulated as soon.
OPTIMISE = "-O1"
#: This process, and those that it ran.
_OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def deployed(spec: Any) -> tuple[Any, Graph]:
    """A network with Keras' first kernels and random biases and norms, deployed, and its graph."""
    keras.utils.set_random_seed(5)
    model, rng = spec.build(), np.random.default_rng(5)
    for layer in model.layers:
        # Scales and variances are positive.
        is_norm = "normalization" in type(layer).__name__.lower()
        layer.set_weights([
            array if array.ndim > 1
            else np.abs(rng.normal(0, 0.4, array.shape)) + 0.3 if is_norm and place in (0, 3)
            else rng.normal(0, 0.1, array.shape)
            for place, array in enumerate(layer.get_weights())
        ])  # fmt: skip
    frames = rng.uniform(-1, 1, (CALIBRATED, *model.input_shape[1:])).astype(np.float32)
    exact = deploy(model, frames)
    return exact, build_graph(exact, spec.name, list(spec.classes))


def measure(name: str, folder: Path, count: int, flavour: str = "native") -> dict[str, Any]:
    """Take a network through the C simulation; raises Mismatch on the first integer that differs."""
    steps: dict[str, Any] = {}
    with timed(steps, "deploy"):
        model, graph = deployed(MODELS[name])
    layers = [node.name for node in graph.nodes[1:]]
    low, high = graph.input.fmt.min_raw, graph.input.fmt.max_raw
    wire = np.random.default_rng(1).integers(low, high + 1, (count, *graph.input.shape)).astype(np.int16)
    with timed(steps, "keras"):
        tensors = golden.run(graph, wire, layers)
        equality.require_equal(graph, ("Keras", "golden"), KerasReference(model, graph).run(wire, layers), tensors)
    if any(len(np.unique(tensors[head])) < 3 for head in graph.outputs):
        raise SystemExit(f"{name}: logits that are all alike prove nothing; choose other weights")
    with timed(steps, "project"):
        settings = estimate.sharing(graph, estimate.MOST_MULTIPLIERS)
        heads = {head: tensors[head] for head in graph.outputs}
        project = hls.build_project(model, graph, hls.Target("Vitis", PART, CLOCK_NS, settings), wire, heads)
        project.write(folder)
    with timed(steps, "compile"):
        simulator = csim.build(folder, flavour)
    with timed(steps, "run"):
        integers = equality.require_equal(graph, ("golden", flavour), tensors, simulator.run(wire, layers, workers=1))
    peak_mb = max(resource.getrusage(who).ru_maxrss for who in _OURS) >> 10
    return {
        "weights": "random", "parameters": sum(node.parameters for node in graph.nodes), "types": flavour,
        "frames": count, "integers": integers, "mismatches": 0,
        "reuse_factors": {layer: each.reuse_factor for layer, each in settings.items()},
        "products_mb": round(len(project.files[PRODUCTS]) / 1e6, 2), "peak_mb": peak_mb,
        "steps": steps, "date": date.today().isoformat(), "kind": "measured", "command": f"{COMMAND} {name}",
    }  # fmt: skip


@contextmanager
def timed(steps: dict[str, Any], name: str) -> Iterator[None]:
    """Keep what a step takes: seconds, and those of processors, its programs' included."""
    started, before = time.monotonic(), _processors()
    yield
    steps[name] = {
        "seconds": round(time.monotonic() - started, 1), "cpu_seconds": round(_processors() - before, 1)
    }  # fmt: skip
    print(f"{name}: {steps[name]['seconds']} s, {steps[name]['cpu_seconds']} of processors", flush=True)


def _processors() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _OURS))


def main() -> None:
    """Measure the networks asked for, each in a process of its own, whose memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+", help="of `hw-amc models`")
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--types", choices=list(csim.FLAVOURS), default="native")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    if len(arguments.networks) > 1:
        rest = ["--frames", str(arguments.frames), "--types", arguments.types, "--json", str(arguments.json)]
        for name in arguments.networks:
            subprocess.run([sys.executable, __file__, name, *rest], check=False)
        return
    (name,) = arguments.networks
    csim.FLAVOURS[arguments.types] = (OPTIMISE, *csim.FLAVOURS[arguments.types][1:])
    print(name, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(name, Path(folder), arguments.frames, arguments.types)
    found = json.loads(arguments.json.read_text())["networks"] if arguments.json.exists() else {}
    found[name] = result
    kept = {"schema": 1, "networks": {each: found[each] for each in MODELS if each in found}}
    write_text(arguments.json, json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
