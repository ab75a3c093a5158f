"""What the PYNQ driver costs the host, beside the time that the frames take on the wire.

    python benchmarks/bench_driver.py [MODEL]

The golden interpreter stands behind the simulated device; its time, and the simulation's, is taken out. What remains is
the driver, PYNQ, and the device's model of a cache (copies), which is told apart.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.bench.simulated import write_sim_overlay
from hw_amc.driver import AmcOverlay
from hw_amc.flows.rtl import RtlFlow

BATCH, ROUNDS, SEED = 256, 9, 1


class CacheClock:
    """Adds up the time of a device's `flush` and `invalidate`."""

    def __init__(self, device: Any) -> None:
        self.seconds = 0.0
        for name in ("flush", "invalidate"):
            setattr(device, name, self._timed(getattr(device, name)))

    def _timed(self, function: Any) -> Any:
        def call(*args: Any) -> None:
            begin = time.thread_time()
            function(*args)
            self.seconds += time.thread_time() - begin

        return call


def measure(path: Path) -> None:
    from pynq import allocate

    with AmcOverlay(path, batch=BATCH) as amc:
        device, manifest = amc.device, amc.manifest
        limit = 1 << manifest.wire_frac
        frames = np.random.default_rng(SEED).integers(-limit, limit, (BATCH, manifest.frame_len, 2), np.int16)
        cache, host, copies = CacheClock(device), [], []
        with allocate(frames.shape, np.int16) as buffer:
            buffer[:] = frames
            amc.classify(buffer)
            for _ in range(ROUNDS):
                accesses, transfers = device.system.accesses, dict(device.system.transfers)
                before, begin = device.simulation_s + cache.seconds, time.thread_time()
                copied = cache.seconds
                amc.classify(buffer)
                host.append(time.thread_time() - begin - (device.simulation_s + cache.seconds - before))
                copies.append(cache.seconds - copied)
            accesses = device.system.accesses - accesses
            moved = sum(device.system.transfers[name] - transfers[name] for name in transfers)
        sizes = 4 * manifest.frame_len, 4 * manifest.result_words
        print(f"{manifest.name}: {manifest.frame_len} samples a frame, batches of {BATCH}, {ROUNDS} rounds")
        print(f"  per batch     {moved} DMA transfers, {accesses} register accesses in simulation (a board polls more)")
        print(f"  per frame     {sizes[0]} bytes sent, {sizes[1]} received")
        print(f"  wire time     {manifest.frame_len / amc.clock_mhz:.2f} us a frame at {amc.clock_mhz:g} MHz")
        for name, found in (("host", host), ("cache copies", copies)):
            each = 1e6 * np.array(found) / BATCH
            print(f"  {name:<13} {each.min():.2f} us a frame, least of {ROUNDS} (median {np.median(each):.2f})")


if __name__ == "__main__":
    model = RtlFlow.open(sys.argv[1] if len(sys.argv) > 1 else "gru_cnn_sparse07")
    with tempfile.TemporaryDirectory() as folder:
        measure(write_sim_overlay(Path(folder), model.accelerator, model.graph, model.board, "golden"))
