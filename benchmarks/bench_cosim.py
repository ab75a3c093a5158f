"""What the fast runner costs to compile and to run, over the size of the network.

    python benchmarks/bench_cosim.py [--cells 6 12 24 48] [--rates 1 6]

The networks are the tests' (random GRU-CNN, 70 % of the weights zero). Each is compiled with nothing kept from before,
in a process of its own: processor time of Verilator, make and the compiler together, and the memory of the largest.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from networks import gru_cnn_graph
from shell_farm import BOARD

from hw_amc.config import ProjectSettings, RtlSettings
from hw_amc.cosim.library import load_library
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import build_accelerator

HEADS = ("cells", "R", "LUT", "FF", "lines", "CPU s", "MB", "cycles/s")
#: Cycles of one run, of which the quickest counts.
CYCLES, RUNS = 2000, 5


def measure(cells: int, rate: int) -> tuple[float, ...]:
    """Figures of one network, in the order of `HEADS`."""
    filters = (max(4, cells // 3), 5)
    graph = gru_cnn_graph(np.random.default_rng(0), frame_len=64, cells=cells, filters=filters, sparsity=0.7)
    settings = RtlSettings(cycles_per_step=rate)
    core = build_core(graph, settings)
    accelerator = build_accelerator(graph, core, ProjectSettings(rtl=settings), BOARD)
    emitted = {name: text for name, text in core.sources.files.items() if not name.startswith("amc_")}
    lines = sum(text.count("\n") for name, text in emitted.items() if not name.endswith("_sim.v"))
    with tempfile.TemporaryDirectory() as cache:
        library = load_library(accelerator.sources, accelerator.manifest.name, Path(cache))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        speed = _cycles_per_s(library)
    lut, ff = (sum(getattr(cost, key) for cost in core.costs.values()) for key in ("lut", "ff"))
    return cells, rate, lut, ff, lines, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, speed


def _cycles_per_s(library: ctypes.CDLL) -> float:
    """Clock cycles a second of processor time, samples back to back."""
    sim, seen = ctypes.c_void_p(library.amc_new()), ctypes.c_uint(0)
    library.amc_reset(sim, 8)
    words = np.random.default_rng(0).integers(0, 1 << 32, CYCLES * RUNS, np.uint32)
    library.amc_push(sim, words.ctypes.data, len(words), 0)
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        library.amc_advance(sim, CYCLES, 2**64 - 1, 0, ctypes.byref(seen))
        times.append(time.process_time() - start)
    library.amc_delete(sim)
    return CYCLES / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[6, 12, 24, 48])
    parser.add_argument("--rates", type=int, nargs="+", default=[1, 6])
    chosen = parser.parse_args()
    print(*(f"{head:>9}" for head in HEADS))
    for rate in chosen.rates:
        for cells in chosen.cells:
            # A process of its own: what its children took is of this network alone.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                figures = pool.submit(measure, cells, rate).result()
            print(*(f"{value:9,.0f}" for value in figures), flush=True)


if __name__ == "__main__":
    main()
