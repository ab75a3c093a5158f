"""The accelerator behind a simulated overlay: verilated RTL, or the golden interpreter behind the shell's protocol.

`write_sim_overlay` writes what a board would load (bitstream, .hwh, manifest) with a placeholder for the bitstream and
a .sim.json that names the factory below; the driver and PYNQ then run unchanged on `hw_amc.sim_device`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from hw_amc.bench.behavioural import GoldenAccelerator
from hw_amc.config import BoardSettings
from hw_amc.cosim.library import build_library
from hw_amc.cosim.stream_model import VerilatedModel
from hw_amc.cosim.verilated import FastSim
from hw_amc.driver.vectors import NAME as VECTORS
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import atomic_path, load_json, write_text
from hw_amc.graph import Graph
from hw_amc.interface.manifest import Manifest
from hw_amc.overlay.design import IP_INSTANCE, build_design
from hw_amc.overlay.vectors import build_vectors
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sim_device import emit_bit, emit_hwh
from hw_amc.sources import Sources
from hw_amc.untrusted import read_text

Kind = Literal["rtl", "golden"]

RTL_FOLDER = "rtl"


def load_verilated(folder: Path, top: str, sources: list[str]) -> VerilatedModel:
    """Verilate files of `folder`/rtl (cached by content) and simulate module `top`; the factory of a .sim.json."""
    return VerilatedModel(FastSim(_read_sources(folder, sources), top))


def compile_overlay(bitstream: Path) -> None:
    """Compile the Verilog of a simulated overlay, unless that was done before; loading it then takes no time.

    Raises
    ------
    ToolMissing, ToolFailed
        Verilator or the compiler is missing, or fails.
    """
    (entry,) = load_json(bitstream.with_suffix(".sim.json"))["ip"].values()
    arguments = entry["arguments"]
    if arguments:
        build_library(_read_sources(bitstream.parent, arguments["sources"]), arguments["top"])


def _read_sources(folder: Path, sources: list[str]) -> Sources:
    texts = {}
    for name in sources:
        try:
            texts[name] = read_text(folder / RTL_FOLDER / name)
        except DataError as error:
            raise ConfigError(f"{error}; write the simulated overlay again") from error
    return Sources(texts)


def load_golden(folder: Path) -> GoldenAccelerator:
    """Put the graph in `folder` behind the shell's protocol; the factory of a .sim.json."""
    return GoldenAccelerator(Graph.load(folder), Manifest.load(folder / "manifest.json"))


def write_sim_overlay(
    folder: Path, accelerator: Accelerator, graph: Graph, board: BoardSettings, kind: Kind = "rtl"
) -> Path:
    """Write an overlay for the simulated device.

    Parameters
    ----------
    folder : Path
        Receives <name>.bit (a placeholder), <name>.hwh, <name>.sim.json, manifest.json, golden.npz and the model.
    accelerator : Accelerator
        Sources and manifest.
    graph : Graph
        What it computes.
    board : BoardSettings
        Of the board to simulate.
    kind : {"rtl", "golden"}
        Verilated RTL (cycle-true), or the golden interpreter with estimated time.

    Returns
    -------
    Path of the .bit file: what `AmcOverlay` and `pynq.Overlay` load.
    """
    manifest = accelerator.manifest
    design, vectors = build_design(manifest, board), build_vectors(graph, manifest)
    if kind == "rtl":
        accelerator.sources.write(folder / RTL_FOLDER)
        # By name: files of an earlier build may lie in the same folder. All of them, as in `make cosim`, so that both
        # use one compiled library.
        sources = sorted(accelerator.sources.files)
        arguments = {"top": manifest.name, "sources": sources}
        entry = {"factory": "hw_amc.bench.simulated:load_verilated", "arguments": arguments}
    else:
        graph.save(folder)
        entry = {"factory": "hw_amc.bench.simulated:load_golden", "arguments": {}}
    bitstream, handoff = folder / f"{manifest.name}.bit", emit_hwh(design)
    digest = hashlib.sha256((handoff + manifest.to_json()).encode()).digest()
    with atomic_path(bitstream) as temporary:
        temporary.write_bytes(emit_bit(manifest.name, board.part, digest))
    write_text(bitstream.with_suffix(".hwh"), handoff)
    write_text(bitstream.with_suffix(".sim.json"), json.dumps({"ip": {IP_INSTANCE: entry}}, indent=2) + "\n")
    write_text(folder / "manifest.json", manifest.to_json())
    with atomic_path(folder / VECTORS) as temporary:
        temporary.write_bytes(vectors.to_bytes())
    return bitstream
