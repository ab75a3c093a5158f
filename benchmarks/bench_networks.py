"""Golden and C-sim of whole networks beside stock hls4ml's C-sim and Keras: bench_networks.py --json FILE [NETWORK ...]

Each network, with the weights that it is born with, is brought in by `hw-amc init`; all its frames are random. Keras
answers one frame at a time (`predict_on_batch` of the float network); golden runs in one process, the native C-sim in
as many as there are cores, and their logits must be equal; stock hls4ml converts the float network with its own
settings, and runs as it does, in one process. Keras, golden and C-sim take turns, and the fastest of their rounds
counts. FILE keeps what earlier runs found of other networks; with --keep FOLDER the projects stay there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
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
from hw_amc.compress.entry import cut_softmax
from hw_amc.errors import Mismatch, UnsupportedLayer
from hw_amc.files import write_text
from hw_amc.graph import Graph, golden
from hw_amc.hls import csim
from hw_amc.models import Classes, find
from hw_amc.workspace import Workspace

COMMAND = "python benchmarks/bench_networks.py"
ROUNDS = 3
#: Frames of Keras, of golden and C-sim, and of stock hls4ml.
ONE_BY_ONE, FRAMES, STOCK_FRAMES = 100, 2048, 2
#: Seconds that stock hls4ml has for a network, each way: g++ may take hours for what it writes.
STOCK_S = 600
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
    """Stock hls4ml's figures with streams, or without them where it refuses those; and what it said."""
    found: dict[str, Any] = {}
    for io_type in ("io_stream", "io_parallel"):
        place = folder / io_type
        place.mkdir(parents=True, exist_ok=True)
        model.save(place / "model.h5", save_format="h5")
        # A process of its own: an assertion of its C++ ends it.
        process = multiprocessing.get_context("spawn").Process(target=answer, args=(place, target, values, io_type))
        process.start()
        process.join(STOCK_S)
        if process.is_alive():
            end(process.pid)
            process.join()
            found[f"{io_type}_refused"] = f"no answer within {STOCK_S} s"
            continue
        if (place / "answer.json").exists():
            return {**found, "io_type": io_type, **json.loads((place / "answer.json").read_text())}
        lines = [line for line in (place / "said.txt").read_text(errors="replace").splitlines() if line.strip()]
        found[f"{io_type}_refused"] = lines[-1][-400:] if lines else f"exit code {process.exitcode}"
    return found


def end(leader: int | None) -> None:
    """Kill a process that leads a session, and all that it runs."""
    if leader is not None:
        os.killpg(leader, signal.SIGKILL)


def answer(place: Path, target: hls.Target, values: Any, io_type: str) -> None:
    """Let stock hls4ml answer frames, and write down its figures; what it says goes to said.txt."""
    os.setsid()  # its compiler ends with it
    with (place / "said.txt").open("w") as said:
        os.dup2(said.fileno(), sys.stderr.fileno())
        model = keras.models.load_model(place / "model.h5", compile=False)
        figures = stock_csim(model, target, values, place / "project", io_type)
    (place / "answer.json").write_text(json.dumps(figures))


def bench(name: str, root: Path) -> dict[str, Any]:
    """Measure a network."""
    model, classes = NETWORKS[name]()
    if not (root / "hls_projects" / f"my_{name}").exists():
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
        wanted = rates.time("golden", FRAMES, lambda: golden.run(graph, frames))
        if simulator is not None:
            require_equal(graph, rates.time("csim", FRAMES, lambda: simulator.run(frames)), wanted)
    # Without its softmax, as ours: of a layer Softmax stock hls4ml 1.3.0 writes C++ that does not compile.
    stock = bench_stock(cut_softmax(model), target, values[:STOCK_FRAMES], root / "stock")
    found |= {f"{what}_frames_per_s": float(f"{rate:.4g}") for what, rate in rates.found.items()}
    found["stock"] = {key: value if isinstance(value, str) else float(f"{value:.4g}") for key, value in stock.items()}
    return {**found, **ratios(rates.found, stock.get("frames_per_s"))}


def ratios(rates: dict[str, float], stock: float | None) -> dict[str, Any]:
    """Ratios of one run, and whether each goal is met; of one that has no figure, nothing."""
    ours = {what: rate for what, rate in rates.items() if what != "keras"}
    found: dict[str, Any] = {f"{what}_times_keras": round(rate / rates["keras"], 2) for what, rate in ours.items()}
    met = {"keras": "csim" in ours and all(rate >= rates["keras"] for rate in ours.values())}
    if stock is not None:
        found |= {f"{what}_times_stock": round(rate / stock, 1) for what, rate in ours.items()}
        met["stock"] = ours.get("csim", 0.0) >= TIMES_STOCK * stock
    return {**found, "met": met}


def main() -> None:
    """Measure the networks asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=list(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="workspace of the projects; a temporary one by default"
    )
    arguments = parser.parse_args()
    kept: dict[str, Any] = json.loads(arguments.json.read_text())["networks"] if arguments.json.exists() else {}
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            root = arguments.keep or Path(folder)
            kept[name] = bench(name, root if (root / "boards").exists() else make_root(root))
        print(name, json.dumps(kept[name], indent=1), flush=True)
        whole = {
            "date": date.today().isoformat(), "command": COMMAND, "kind": "measured", "cores": os.cpu_count(),
            "networks": {key: kept[key] for key in NETWORKS if key in kept},
        }  # fmt: skip
        write_text(arguments.json, json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
