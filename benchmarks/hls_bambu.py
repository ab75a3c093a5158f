"""The HLS core by bambu, a real HLS compiler: python benchmarks/hls_bambu.py FACTOR... --json FILE.

A small GRU network of random weights, or a model of hls_projects/ (--model), is written for each reuse factor, compiled
by bambu to Verilog, simulated in the accelerator's shell by Verilator, where every logit must be golden's, and mapped
to 7-series cells by Yosys. FILE keeps what earlier runs found, and what each step of this one finds when it ends. bambu
must be on PATH. In the folder of --keep, Verilog of the same text is used again.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc import hls, tools
from hw_amc.config import BoardSettings, HlsSettings, LayerHls, ProjectSettings, load_board
from hw_amc.cosim.model import Plan, run_model
from hw_amc.files import write_text
from hw_amc.flows.hls import HlsFlow, HlsOptions
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import backends, estimate, ops, reports, vendor
from hw_amc.hls.estimate.whole import legal_reuse_factors
from hw_amc.hls.streams import CoreStreams
from hw_amc.rtl.hls_core import HlsCore, load_hls_core
from hw_amc.rtl.shell.accelerator import build_accelerator
from hw_amc.synth import yosys
from hw_amc.workspace import SHIPPED

COMMAND = "python benchmarks/hls_bambu.py"
NAME, CELLS, SAMPLES, CLASSES = "gru8", 8, 16, tuple("abcd")
FRAMES = 16
_COMPARED = ("frames", "mismatches", "cycles_per_frame", "latency_cycles")


def build_model() -> Any:
    """The input's quantiser, a GRU, the mean over the frame, a dense layer; random weights."""
    from tensorflow import keras

    from hw_amc.compress.layers import qkeras

    def bits(count: int, integer: int = 0) -> str:
        return f"quantized_bits({count},{integer},0,alpha=1)"

    inputs = keras.Input((SAMPLES, 2), name="frames")
    x = qkeras.QActivation(bits(8, 1), name="input_quant")(inputs)
    settings = dict.fromkeys(("kernel_quantizer", "recurrent_quantizer", "bias_quantizer", "state_quantizer"), bits(8))
    gates = {"activation": "quantized_tanh(8)", "recurrent_activation": "quantized_sigmoid(8)"}
    x = qkeras.QGRU(CELLS, **settings, **gates, return_sequences=True, reset_after=True, name="gru")(x)
    x = qkeras.QActivation(bits(8), name="gru_state")(x)
    x = keras.layers.GlobalAveragePooling1D(name="mean")(x)
    x = qkeras.QDense(len(CLASSES), kernel_quantizer=bits(6), bias_quantizer=bits(8), name="head")(x)
    model = keras.Model(inputs, x)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.normal(0, 0.4, w.shape).astype(np.float32) for w in layer.get_weights()])
    return model


def settings_of(graph: Graph, factor: int) -> dict[str, LayerHls]:
    """Every layer with weights, at its largest legal factor up to `factor`."""
    return {
        node.name: LayerHls(reuse_factor=max(each for each in legal_reuse_factors(graph, node) if each <= factor))
        for node in graph.nodes[1:]
        if node.arrays()
    }


def planned(graph: Graph, layers: dict[str, LayerHls]) -> dict[str, int]:
    """Multiplications of two variables by layer, as the schedule has them."""
    return {
        node.name: ops.find(node).multiplications(ops.LayerBuild.of(graph, node.name, layers.get(node.name)))
        for node in CoreStreams.of(graph).layers
    }


def inside(verilog: str, pattern: str) -> dict[str, int]:
    """Count, in the datapath of each process, what a pattern finds."""
    paths = re.findall(r"^module datapath_\w*?process_(\w+?)R10ac_channel\w*\(.*?^endmodule", verilog, re.M | re.S)
    bodies = re.findall(r"^module datapath_\w*?process_\w+?R10ac_channel\w*(\(.*?^endmodule)", verilog, re.M | re.S)
    return {name: len(re.findall(pattern, body)) for name, body in zip(paths, bodies, strict=True)}


def synthesise(core: HlsCore, graph: Graph, folder: Path) -> dict[str, Any]:
    """What Yosys makes of the core, shell left out."""
    found = yosys.run(core.sources, f"{graph.name}_core", folder)
    return {"lut": found.lut, "ff": found.ff, "dsp": found.dsp, "bram36": found.bram36, "kind": "measured"}


@dataclass(frozen=True)
class Subject:
    """A network, the frames that its core is given, and the options that ask for it."""

    model: Any
    graph: Graph
    frames: NDArray[np.int16]
    options: str


def small() -> Subject:
    """The small network, and random frames."""
    model = build_model()
    graph = build_graph(model, NAME, (CLASSES,))
    low, high = graph.input.fmt.min_raw, graph.input.fmt.max_raw
    frames = np.random.default_rng(0).integers(low, high + 1, (FRAMES, *graph.input.shape)).astype(np.int16)
    return Subject(model, graph, frames, "")


def committed(name: str, count: int) -> Subject:
    """A model of hls_projects/, and held-out frames."""
    flow = HlsFlow.open(name, HlsOptions(frames=count))
    return Subject(flow.deployed, flow.graph, flow.stimulus.wire, f" --model {name} --frames {count}")


def compile_core(subject: Subject, target: hls.Target, folder: Path) -> dict[str, Any]:
    """What bambu says of its Verilog, which a folder may have of the same text."""
    heads = golden.run(subject.graph, subject.frames, list(subject.graph.outputs))
    project = hls.build_project(subject.model, subject.graph, target, subject.frames, heads)
    log = folder / vendor.SOLUTION / "syn" / "report" / "hw_amc_core_csynth.log"
    done = (log.parents[1] / "verilog" / "hw_amc_core.v").is_file() and all(
        (folder / name).is_file() and (folder / name).read_text() == text
        for name, text in project.files.items()
        if name.startswith(("bambu/", "firmware/", "csynth"))
    )
    if done:
        return reports.parse_bambu(log.read_text())
    project.write(folder)
    outcome = vendor.run(folder, "Bambu")
    if outcome is None:
        raise SystemExit(backends.find("Bambu").remedy)
    return outcome.figures["csynth"]


def judge(
    subject: Subject, factor: int, board: BoardSettings, folder: Path, section: dict[str, Any], keep: Callable[[], None]
) -> None:
    """Fill one factor's section: bambu, simulation, Yosys; raises Mismatch on the first logit that is not golden's."""
    graph = subject.graph
    layers = settings_of(graph, factor)
    wanted = planned(graph, layers)
    whole = estimate.hls(graph, HlsSettings(backend="Bambu", clock_ns=8.0, layers=layers), board).total
    csynth = compile_core(subject, hls.Target("Bambu", board.part, 8.0, layers), folder)
    exported = folder / vendor.SOLUTION / "syn" / "verilog"
    verilog = (exported / "hw_amc_core.v").read_text()
    multipliers, memories = inside(verilog, r"\b(?:ui_)?mult_expr_FU #"), inside(verilog, r"\bARRAY_1D_STD_\w+ #")
    section.clear()
    section.update({
        "reuse_factors": {name: layer.reuse_factor for name, layer in layers.items()},
        "processes": [
            {**block, "multipliers": multipliers[block["name"]], "memories": memories[block["name"]],
             **({"multipliers_planned": wanted[block["name"]]} if block["name"] in wanted else {})}
            for block in csynth["blocks"]
        ],
        "estimate": {
            "cycles_per_step": round(whole.cycles / graph.frame_len, 2),
            "cycles_per_frame": whole.cycles,
            **{key: getattr(whole, key) for key in ("lut", "ff", "dsp", "bram36")},
        },
        "clock_ns": 8.0,
        "tool": tools.run(["bambu", "--version"], Path("/")).strip().splitlines()[-1].strip().removeprefix("Version: "),
        "date": date.today().isoformat(),
        "kind": {"cosim": "measured", "synth": "measured", "processes": "estimated", "estimate": "estimated"},
        "command": f"{COMMAND} {factor}{subject.options}",
    })  # fmt: skip
    keep()
    core = load_hls_core(exported, graph)
    accelerator = build_accelerator(graph, core, ProjectSettings(), board, "hls")
    cosim = run_model(graph, accelerator, subject.frames, Plan(folder / "cosim", {}))
    section["reference"] = f"golden, {len(subject.frames)} {'held-out' if subject.options else 'random'} frame(s)"
    section["cosim"] = {
        simulator: {key: run[key] for key in _COMPARED if run.get(key) is not None} for simulator, run in cosim.items()
    }
    # Of one frame alone the way in and out counts, too.
    fast = cosim["verilator"]
    section["cycles_per_step"] = round((fast.get("cycles_per_frame") or fast["latency_cycles"]) / graph.frame_len, 2)
    keep()
    section["synth"] = synthesise(core, graph, folder / "synth")
    keep()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("factors", type=int, nargs="+", help="reuse factors")
    parser.add_argument("--model", help="a folder of hls_projects/; a small GRU network by default")
    parser.add_argument("--frames", type=int, default=1, help="held-out frames of a model")
    parser.add_argument("--json", type=Path, help="file of results, to which these are added")
    parser.add_argument("--keep", type=Path, help="folder in which the projects stay")
    options = parser.parse_args()
    subject = committed(options.model, options.frames) if options.model else small()
    board = load_board("pynq-z2", SHIPPED / "boards")
    known = json.loads(options.json.read_text()) if options.json and options.json.is_file() else {}
    digest = subject.graph.digest()
    # What was found of other weights says nothing of these.
    found = known.get("factors", {}) if known.get("graph_sha256") == digest else {}

    def keep() -> None:
        """Write what is known so far."""
        graph = subject.graph
        result = {
            "schema": 1,
            "network": {"name": graph.name, "samples": graph.frame_len, "layers": len(graph.nodes) - 1},
            "graph_sha256": digest,
            "factors": {key: found[key] for key in sorted(found, key=int)},
        }
        if options.json:
            write_text(options.json, json.dumps(result, indent=1) + "\n")

    for factor in options.factors:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (options.keep or Path(scratch)) / f"r{factor}"
            judge(subject, factor, board, folder, found.setdefault(str(factor), {}), keep)
        print(json.dumps({factor: found[str(factor)]}), flush=True)


if __name__ == "__main__":
    main()
