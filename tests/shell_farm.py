"""Accelerators with behavioural cores that tests of the shell share: one build holds them all."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from behavioural_core import mean_core, mean_graph, tied
from hls_exports import write_export

from hw_amc.config import InputSettings, ProjectSettings, RtlSettings, load_board
from hw_amc.cosim.farm import TOP, build_farm
from hw_amc.cosim.verilated import FastSim
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.interface.gain import AutomaticGain
from hw_amc.rtl.hls_core import load_hls_core
from hw_amc.rtl.shell.accelerator import Accelerator, build_accelerator
from hw_amc.sources import Sources

BOARD = load_board("pynq-z2", Path(__file__).parents[1] / "boards")


@dataclass(frozen=True)
class Member:
    graph: Graph
    accelerator: Accelerator

    @property
    def manifest(self) -> Any:
        return self.accelerator.manifest

    def frames(self, rng: np.random.Generator, count: int) -> Any:
        return rng.integers(-32768, 32768, (count, self.graph.frame_len, 2)).astype(np.int16)


def member(
    name: str,
    input_shift: int = 0,
    cycles_per_step: int = 1,
    delay: int = 7,
    n_channels: int = 1,
    queue: int = 4,
    ties: bool = False,
    automatic_gain: bool = False,
    **shape: Any,
) -> Member:
    graph = mean_graph(np.random.default_rng(5), name=name, **shape)
    graph = tied(graph) if ties else graph
    core = mean_core(graph, cycles_per_step, delay, n_channels, queue)
    settings = ProjectSettings(
        input=InputSettings(input_shift=input_shift), rtl=RtlSettings(automatic_gain=automatic_gain)
    )
    return Member(graph, build_accelerator(graph, core, settings, BOARD))


def members() -> dict[str, Member]:
    made = [
        member("plain", frame_len=16, heads=(5, 3)),
        member("channels", frame_len=8, heads=(4,), n_channels=3),
        member("slow", frame_len=4, heads=(9,), input_fmt=FixedFormat(12, 10), cycles_per_step=3),
        # Results longer than frames: the results hold up the samples.
        member("short", frame_len=2, heads=(20,), input_fmt=FixedFormat(16, 14), delay=0),
        member("fine", frame_len=8, heads=(2,), input_fmt=FixedFormat(8, 15), wire_frac=10, input_shift=-3),
        member("many", frame_len=4, heads=(256,), delay=1),
        # Two cycles a frame: sweeps of all wire words.
        member("one4", frame_len=2, heads=(1,), delay=0, input_fmt=FixedFormat(4, 3)),
        member("one8", frame_len=2, heads=(1,), delay=0, input_fmt=FixedFormat(8, 6)),
        member("one16", frame_len=2, heads=(1,), delay=0, input_fmt=FixedFormat(16, 14)),
        member("one_fine", frame_len=2, heads=(1,), delay=0, input_fmt=FixedFormat(8, 15), wire_frac=10),
        member("tied", frame_len=4, heads=(5, 4), ties=True),
        # More frames inside than a core of its contexts may hold: an HLS core with deep streams.
        member("behind", frame_len=4, heads=(3,), queue=32),
        member("two_channels", frame_len=4, heads=(3,), n_channels=2, cycles_per_step=2, input_fmt=FixedFormat(5, 3)),
    ]
    return {item.manifest.name: item for item in made}


def gain_members() -> dict[str, Member]:
    """Accelerators with automatic gain: another shell, so that they share a build of their own."""
    made = [
        member("plain", frame_len=16, heads=(5, 3), automatic_gain=True),
        member("channels", frame_len=8, heads=(4,), n_channels=3, automatic_gain=True),
        # More frames in the stages of the gain than behind them; three cycles a sample.
        member("short", frame_len=2, heads=(3,), input_fmt=FixedFormat(12, 10), cycles_per_step=3, automatic_gain=True),
        member("coarse", frame_len=4, heads=(2,), n_channels=2, wire_frac=10, input_shift=-3, automatic_gain=True),
        # As if its frames had 11 samples: the level is no power of two.
        _levelled(member("odd", frame_len=16, heads=(2,), automatic_gain=True), 11 << 15),
        _exported("exported"),
    ]
    return {item.manifest.name: item for item in made}


def _exported(name: str) -> Member:
    """An accelerator with automatic gain around a core from HLS."""
    graph = mean_graph(np.random.default_rng(5), name=name, frame_len=8, heads=(4,))
    settings = ProjectSettings(rtl=RtlSettings(automatic_gain=True))
    with tempfile.TemporaryDirectory() as folder:
        write_export(Path(folder) / "verilog", graph)
        core = load_hls_core(Path(folder), graph)
    return Member(graph, build_accelerator(graph, core, settings, BOARD, "hls"))


def _levelled(item: Member, level: int) -> Member:
    """A copy of `item` with another level."""
    name = item.manifest.name
    files = dict(item.accelerator.sources.files)
    bits = AutomaticGain.of(item.manifest).highest_level.bit_length()
    text = re.sub(r"\.LEVEL\(.*\)", f".LEVEL({bits}'d{level})", files[f"{name}.v"])
    files[f"{name}.v"] = re.sub(r"\.LEVEL_ZEROS\(.*\)", f".LEVEL_ZEROS({bits - level.bit_length()})", text)
    return Member(item.graph, replace(item.accelerator, sources=Sources(files)))


class Farm:
    """All members behind one `FastSim`."""

    def __init__(self, items: dict[str, Member]) -> None:
        self.members = items
        self.sim = FastSim(build_farm([item.accelerator for item in items.values()]), TOP, farm=True)

    def __getitem__(self, name: str) -> tuple[Member, FastSim]:
        """The member, selected and fresh from reset."""
        self.sim.set_patterns()
        self.sim.limit_output(None)
        self.sim.select(list(self.members).index(name))
        self.sim.reset()
        return self.members[name], self.sim


def mutant(item: Member, index: int, file: str, old: str, new: str) -> Member:
    """A copy of `item` with one change in `file`; its modules get names of their own."""
    name = f"m{index}_{item.manifest.name}"
    files = dict(item.accelerator.sources.files)
    files.pop("manifest.json")
    assert files[file].count(old) == 1, (file, old)
    files[file] = files[file].replace(old, new)
    renamed = {}
    for path, text in files.items():
        text = re.sub(r"\bamc_(\w+)", rf"m{index}_amc_\1", text)
        text = re.sub(rf"\b{item.manifest.name}(_core)?\b", rf"{name}\1", text)
        renamed[f"m{index}_{path}"] = text
    manifest = replace(item.manifest, name=name)
    return Member(item.graph, Accelerator(Sources(renamed), manifest))
