"""C simulation against stock hls4ml's, in one run: python benchmarks/bench_csim.py MODEL [--frames N] [--json FILE].

Stock hls4ml cannot convert the deployed network: it refuses a QGRU with hard gates and knows no QAffine. Its side is
the nearest network that it does convert, of the same sizes and with the same weights: a Keras GRU (reset_after, tanh
and sigmoid, which hls4ml computes with tables), batch normalisation in place of the affines, and QKeras convolutions
and activations with the deployed quantisers. Backend, io_stream, part and clock are the same. It is compiled and run
as hls4ml does it, by `compile()` and `predict()`, which is one process; ours is timed in one process and in all.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hls4ml
import numpy as np
from tensorflow import keras

from hw_amc import compress, hls
from hw_amc.graph import golden
from hw_amc.hls import csim
from hw_amc.workspace import Workspace

Frames = Any


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that `work` takes, and what it returns."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def stock_model(deployed: Any) -> Any:
    """The deployed network in layers that stock hls4ml converts."""
    x = inputs = keras.Input(deployed.input_shape[1:], name="frames")
    weights = {}
    for layer in deployed.layers[1:]:
        kind = type(layer).__name__
        if kind == "QGRU":
            twin = keras.layers.GRU(layer.cell.units, return_sequences=True, reset_after=True, name=layer.name)
        elif kind == "QAffine":
            twin = keras.layers.BatchNormalization(epsilon=0.0, name=layer.name)
        else:
            twin = type(layer).from_config(layer.get_config())
        x = twin(x)
        weights[layer.name] = layer.get_weights()
    model = keras.Model(inputs, x)
    for name, arrays in weights.items():
        if type(model.get_layer(name)).__name__ == "BatchNormalization":
            scale, bias = arrays
            arrays = [scale, bias, np.zeros_like(bias), np.ones_like(bias)]
        model.get_layer(name).set_weights(arrays)
    return model


def stock_csim(
    model: Any, target: hls.Target, values: Any, folder: Path, io_type: str = "io_stream"
) -> dict[str, float]:
    """Stock hls4ml's compile() and predict() of a model, its precision and strategy by default."""
    with contextlib.redirect_stdout(io.StringIO()):
        config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend=target.backend)
        network = hls4ml.converters.convert_from_keras_model(
            model,
            hls_config=config,
            output_dir=str(folder),
            backend=target.backend,
            io_type=io_type,
            part=target.part,
            clock_period=target.clock_ns,
        )
        compile_s, _ = timed(network.compile)
        run_s, _ = timed(lambda: network.predict(np.ascontiguousarray(values)))
    return {"seconds_compile": compile_s, "frames": len(values), "frames_per_s": len(values) / run_s}


def bench_stock(deployed: Any, target: hls.Target, frames: Frames, folder: Path) -> dict[str, float]:
    return stock_csim(stock_model(deployed), target, np.ldexp(frames.astype(np.float32), -14), folder)


def bench_ours(flavour: str, folder: Path, frames: Frames) -> dict[str, float]:
    compile_s, simulator = timed(lambda: csim.build(folder, flavour))
    one_s, _ = timed(lambda: simulator.run(frames, workers=1))
    all_s, _ = timed(lambda: simulator.run(frames))
    return {
        "seconds_compile": compile_s,
        "frames": len(frames),
        "frames_per_s_one_process": len(frames) / one_s,
        "frames_per_s": len(frames) / all_s,
    }


def bench(name: str, count: int) -> dict[str, Any]:
    workspace = Workspace.open(name)
    graph, deployed = workspace.load_graph(), compress.load_deployed(workspace.weights)
    target = hls.Target.of(workspace.settings().hls, workspace.board())
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 6000, (count, *graph.input.shape)).clip(-(1 << 15), (1 << 15) - 1).astype(np.int16)
    cores = os.cpu_count() or 1
    golden_s, wanted = timed(lambda: golden.run(graph, frames, workers=cores))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "ours"
        keras_logits = {output: tensor[:1] for output, tensor in wanted.items()}
        hls.build_project(deployed, graph, target, frames[:1], keras_logits).write(folder)
        results = {
            "stock": bench_stock(deployed, target, frames[:4], Path(scratch) / "stock"),
            "ap_fixed": bench_ours("ap_fixed", folder, frames[: min(count, 16)]),
            "native": bench_ours("native", folder, frames),
            "golden": {"frames": count, "frames_per_s": count / golden_s},
        }
    stock = results["stock"]
    for backend in ("ap_fixed", "native", "golden"):
        item = results[backend]
        item["times_stock"] = item["frames_per_s"] / stock["frames_per_s"]
        if "seconds_compile" in item:
            item["compile_times_stock"] = item["seconds_compile"] / stock["seconds_compile"]
    return {"model": name, "backend": target.backend, "cores": cores, "kind": "measured", **results}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a folder of hls_projects/")
    parser.add_argument("--frames", type=int, default=2048, help="frames of the native build and of golden")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    options = parser.parse_args()
    results = bench(options.model, options.frames)
    text = json.dumps(results, indent=1)
    print(f"{'':10} {'compile s':>10} {'frames/s':>10} {'x stock':>9}")
    for backend in ("stock", "ap_fixed", "native", "golden"):
        item = results[backend]
        compile_s = f"{item['seconds_compile']:.1f}" if "seconds_compile" in item else ""
        print(f"{backend:10} {compile_s:>10} {item['frames_per_s']:>10.2f} {item.get('times_stock', 1.0):>9.1f}")
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
