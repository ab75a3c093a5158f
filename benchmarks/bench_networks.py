"""Golden and C-sim of whole networks beside stock hls4ml's C-sim and Keras: bench_networks.py --json FILE [NETWORK ...]

Each network, with the weights that it is born with, is brought in by `hw-amc init`; all its frames are random. Keras
answers one frame at a time (`predict_on_batch` of the float network); golden and the native C-sim use all cores, and
their logits must be equal; stock hls4ml converts the float network with its own settings, and runs as it does, in one
process. Keras, golden and C-sim take turns, and the fastest of their rounds counts. FILE keeps what earlier runs found
of other networks.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from bench_csim import stock_csim, timed
from bench_init import bring_in, make_root, newborn
from tensorflow import keras
from users_models import USERS, Size

from hw_amc import compress, hls
from hw_amc.errors import Mismatch, UnsupportedLayer
from hw_amc.graph import Graph, golden
from hw_amc.hls import csim
from hw_amc.models import Classes, find
from hw_amc.workspace import Workspace

COMMAND = "python benchmarks/bench_networks.py"
ROUNDS = 3
#: Frames of Keras, of golden and C-sim, and of stock hls4ml.
ONE_BY_ONE, FRAMES, STOCK_FRAMES = 100, 2048, 2
#: Goal: C-sim beside stock hls4ml's.
TIMES_STOCK = 50


def both_ways() -> tuple[Any, Classes]:
    """A bidirectional GRU as Keras makes it: 32 cells each way, 128 samples."""
    keras.utils.set_random_seed(20)
    return USERS["bidirectional"][0](Size(128, 32, (11,))), find("vtcnn2").classes


def zoo(name: str) -> tuple[Any, Classes]:
    return newborn(name), find(name).classes


#: Name -> the float network and its classes.
NETWORKS: dict[str, Callable[[], tuple[Any, Classes]]] = {
    **{name: (lambda name=name: zoo(name)) for name in ("hakimi", "vtcnn2", "mtl")},
    "bidirectional_gru": both_ways,
}


class Rates:
    """Frames/s of several ways to answer, each the fastest of its rounds."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    def time(self, what: str, frames: int, work: Callable[[], Any]) -> Any:
        seconds, answer = timed(work)
        self.found[what] = max(self.found.get(what, 0.0), frames / seconds)
        return answer


def build_csim(graph: Graph, deployed: Any, target: hls.Target, frames: Any, folder: Path) -> csim.CSim:
    logits = golden.run(graph, frames[:1])
    hls.build_project(deployed, graph, target, frames[:1], logits).write(folder)
    return csim.build(folder, "native")


def require_equal(graph: Graph, ours: dict[str, Any], wanted: dict[str, Any]) -> None:
    for head in graph.outputs:
        if not np.array_equal(ours[head], wanted[head]):
            raise Mismatch(f"{graph.name}: C-sim differs from golden in head {head}")


def bench_stock(model: Any, target: hls.Target, values: Any, folder: Path) -> dict[str, Any]:
    """Stock hls4ml's figures, or what it said."""
    try:
        return stock_csim(model, target, values, folder)
    except Exception as error:  # whatever it raises is its answer
        said = " ".join(str(error).split())
        return {"refused": f"{type(error).__name__}: {said[:300]}"}


def bench(name: str, root: Path) -> dict[str, Any]:
    """Measure a network."""
    model, classes = NETWORKS[name]()
    bring_in(model, name, classes, root)
    workspace = Workspace(root, f"my_{name}")
    graph, deployed = workspace.load_graph(), compress.load_deployed(workspace.weights)
    target = hls.Target.of(workspace.settings().hls, workspace.board())
    wire = np.random.default_rng(0).normal(0, 6000, (FRAMES, *graph.input.shape)).clip(-(2**15), 2**15 - 1)
    frames = wire.astype(np.int16)
    values = np.ldexp(frames.astype(np.float32), -14)
    if model.input_shape[1:] != graph.input.shape:
        raise SystemExit(f"{name} takes {model.input_shape[1:]}; this benchmark knows frames (T, 2)")
    found: dict[str, Any] = {
        "load": round(os.getloadavg()[0], 1),
        "multiplications": sum(node.macs for node in graph.nodes),
    }
    try:
        simulator = build_csim(graph, deployed, target, frames, root / "ours")
        found["csim_seconds_compile"] = round(simulator.seconds_compile, 1)
    except UnsupportedLayer as error:
        simulator, found["csim_refused"] = None, str(error)
    rates = Rates()
    model.predict_on_batch(values[:1])
    for _ in range(ROUNDS):
        rates.time("keras", ONE_BY_ONE, lambda: [model.predict_on_batch(values[k : k + 1]) for k in range(ONE_BY_ONE)])
        wanted = rates.time("golden", FRAMES, lambda: golden.run(graph, frames, workers=os.cpu_count() or 1))
        if simulator is not None:
            require_equal(graph, rates.time("csim", FRAMES, lambda: simulator.run(frames)), wanted)
    stock = bench_stock(model, target, values[:STOCK_FRAMES], root / "stock")
    found |= {f"{what}_frames_per_s": float(f"{rate:.4g}") for what, rate in rates.found.items()}
    found["stock"] = {key: value if isinstance(value, str) else float(f"{value:.4g}") for key, value in stock.items()}
    return {**found, **ratios(rates.found, stock.get("frames_per_s"))}


def ratios(rates: dict[str, float], stock: float | None) -> dict[str, Any]:
    """Ratios of one run, and whether the goals are met."""
    ours = {what: rate for what, rate in rates.items() if what != "keras"}
    found: dict[str, Any] = {f"{what}_times_keras": round(rate / rates["keras"], 2) for what, rate in ours.items()}
    met = all(rate >= rates["keras"] for rate in ours.values())
    if stock is not None:
        found |= {f"{what}_times_stock": round(rate / stock, 1) for what, rate in ours.items()}
        met = met and ours.get("csim", 0.0) >= TIMES_STOCK * stock
    return {**found, "met": met and "csim" in ours}


def main() -> None:
    """Measure the networks asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=list(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    kept: dict[str, Any] = json.loads(arguments.json.read_text())["networks"] if arguments.json.exists() else {}
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            kept[name] = bench(name, make_root(Path(folder)))
        print(name, json.dumps(kept[name], indent=1), flush=True)
        whole = {
            "date": date.today().isoformat(), "command": COMMAND, "kind": "measured", "cores": os.cpu_count(),
            "networks": {key: kept[key] for key in NETWORKS if key in kept},
        }  # fmt: skip
        arguments.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
