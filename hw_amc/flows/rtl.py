"""The RTL flow: Verilog of a model, its simulation and its synthesis. Needs no TensorFlow."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hw_amc.config import RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.flows import base
from hw_amc.parts import family_with
from hw_amc.sources import Sources
from hw_amc.verify.heldout import Stimulus
from hw_amc.workspace import Workspace

if TYPE_CHECKING:
    from hw_amc.radio.files.memory import Source
    from hw_amc.rtl import RateEstimate, RtlCore
    from hw_amc.rtl.shell.accelerator import Accelerator

#: `BOARD=sim` simulates the accelerator of project.toml's board; any other BOARD that of another one.
SIMULATED = "sim"


@dataclass(frozen=True)
class RtlOptions:
    """What a command may ask for in place of project.toml's settings."""

    board: str | None = None
    cycles_per_step: int | None = None
    lanes: int | None = None
    mode: Literal["frames", "channels"] | None = None
    #: Folder of Verilog that an HLS tool exported: the core in place of ours.
    hls_export: Path | None = None
    data: Source | None = None

    def apply(self, settings: RtlSettings) -> RtlSettings:
        """Return project.toml's settings with what was asked for; R alone stands for all layers."""
        asked: dict[str, Any] = {"lanes": self.lanes, "mode": self.mode}
        if self.cycles_per_step is not None:
            asked |= {"cycles_per_step": self.cycles_per_step, "layers": {}}
        changed = {key: value for key, value in asked.items() if value is not None}
        return RtlSettings.model_validate({**settings.model_dump(), **changed})


@dataclass(frozen=True, kw_only=True, eq=False)
class RtlFlow(base.Flow):
    """A model on a board: what its accelerator is built from, and what is built."""

    settings: RtlSettings
    #: Folder of Verilog that an HLS tool exported, where that is the core.
    hls_export: Path | None = None

    @classmethod
    def open(
        cls,
        model: str | Workspace,
        options: RtlOptions = RtlOptions(),
        command: str = base.PROGRAM,
        output: base.Output | None = None,
    ) -> RtlFlow:
        """Read a model's settings; `options` go before project.toml.

        Raises
        ------
        ConfigError
            Unknown model or board, or an error in project.toml.
        """
        workspace = Workspace.open(model) if isinstance(model, str) else model
        return cls(
            workspace=workspace,
            board=workspace.board(None if options.board == SIMULATED else options.board),
            command=command,
            output=output or base.Silent(),
            data=options.data,
            settings=options.apply(workspace.settings().rtl),
            hls_export=options.hls_export,
        )

    @cached_property
    def core(self) -> RtlCore:
        """The network in Verilog."""
        from hw_amc.rtl import build_core

        return build_core(self.graph, self.settings, self.board)

    @cached_property
    def accelerator(self) -> Accelerator:
        """The core in the shell."""
        from hw_amc.rtl.hls_core import load_hls_core
        from hw_amc.rtl.shell.accelerator import build_accelerator

        settings = self.workspace.settings().model_copy(update={"rtl": self.settings})
        if self.hls_export is None:
            return build_accelerator(self.graph, self.core, settings, self.board)
        core = load_hls_core(self.hls_export, self.graph)
        return build_accelerator(self.graph, core, settings, self.board, "hls")

    @cached_property
    def written(self) -> Sources:
        """What `write_verilog` writes: the accelerator, and what describes it to other people's tools."""
        from hw_amc.overlay.handover import emit_handover

        return Sources({**self.accelerator.sources.files, **emit_handover(self.accelerator).files})

    @property
    def folder(self) -> Path:
        """Where the Verilog is written."""
        return self.workspace.build / "rtl" / self.board.name

    @property
    def least_frames(self) -> int:
        """Frames that show the rhythm of the results: those of one round, and one more; 8 at least."""
        return max(8, self.accelerator.manifest.round_results + 1)

    def estimate(self) -> list[RateEstimate]:
        """Return resources and speed at each possible R."""
        from hw_amc.rtl import estimate_rates

        return estimate_rates(self.graph, self.settings, self.board)


def write_verilog(flow: RtlFlow, rates: list[RateEstimate]) -> Path:
    """Write the accelerator and its descriptions, and merge the estimate at all `rates`; return the folder."""
    with flow.exclusive(), flow.step("rtl"):
        flow.written.write(flow.folder)
        flow.merge({"estimate": {"rtl": _estimate_section(flow, rates)}})
    return flow.folder


def _estimate_section(flow: RtlFlow, rates: list[RateEstimate]) -> dict[str, Any]:
    """The rate that is built, and all of them as a sweep over R."""
    tables = [
        {
            "R": rate.cycles_per_step,
            "K": rate.contexts,
            "cycles_per_frame": rate.cycles_per_frame,
            "frames_per_s": round(rate.frames_per_s, 1),
            **{name: math.ceil(used) for name, used in asdict(rate.cost).items()},
            "percent": {name: round(share, 2) for name, share in rate.percent.items()},
            "fits": rate.fits,
        }
        for rate in rates
    ]
    built = next(dict(table) for table in tables if table["R"] == flow.core.cycles_per_step)
    del built["fits"]
    board = {"board": flow.board.name, "part": flow.board.part, "clock_mhz": flow.board.clock_mhz}
    return {**board, **built, "sweep": tables, "command": flow.command, "kind": "estimated"}


def require_simulators(fast_only: bool = False) -> None:
    """Require what `cosimulate` runs, before the minutes that building an accelerator may take.

    Raises
    ------
    ToolMissing
        Verilator, make or g++; unless `fast_only`, Icarus.
    """
    from hw_amc.cosim.simulators import environment, versions

    versions("verilator")
    if not fast_only:
        environment("icarus")


def cosimulate(flow: RtlFlow, stimulus: Stimulus, *, waves: bool = False, fast_only: bool = False) -> dict[str, Any]:
    """Simulate frames in Verilator and Icarus, require golden's logits; merge and return the figures by simulator.

    Parameters
    ----------
    flow : RtlFlow
    stimulus : Stimulus
        All frames go through the fast runner; cocotb takes `least_frames`, in Icarus one round and one frame more.
    waves : bool
        FST waveforms of the cocotb runs.
    fast_only : bool
        Leave cocotb out: a long regression.

    Raises
    ------
    Mismatch
        A logit or a number of cycles is not what it must be.
    """
    from hw_amc.cosim.model import Plan, run_model

    with flow.exclusive(), flow.step("cosim"):
        plan = Plan(flow.workspace.build / "cosim", {}, waves=waves)
        if not fast_only:
            together = flow.accelerator.manifest.round_results
            plan.cocotb_frames.update({"verilator": flow.least_frames, "icarus": together + 1})
        sections = run_model(flow.graph, flow.accelerator.lane, stimulus.wire, plan, flow.output.done)
        own = {} if flow.hls_export is not None else {"R": flow.core.cycles_per_step}
        told = {**own, "date": date.today().isoformat(), "command": flow.command}
        sections = {name: {**item, **told, **_tools(name)} for name, item in sections.items()}
        flow.merge({"cosim": sections})
    return sections


def _tools(simulator: Any) -> dict[str, dict[str, str]]:
    from hw_amc.cosim.simulators import versions

    found = {Path(tool).name.removesuffix("_bin"): text for tool, text in versions(simulator).items()}
    if "verilator" in found:  # the binary of the package does not know its own version
        with suppress(metadata.PackageNotFoundError):
            found["verilator"] = f"{metadata.version('verilator')}, {found['verilator']}"
    return {"versions": found}


def synthesise(flow: RtlFlow, blocks: bool = False, routed: bool = False) -> dict[str, Any]:
    """Synthesise the accelerator, shell included, by Yosys; merge and return what was counted.

    With `blocks` each block of the core is kept apart and counted by itself; with `routed` each is placed and routed
    on an ECP5 as well.

    Raises
    ------
    ConfigError
        `blocks` of more than one lane.
    ToolMissing, ToolFailed
        Yosys is missing or fails.
    """
    from hw_amc.rtl.shell.accelerator import shell_cost
    from hw_amc.rtl.shell.lanes import lane_module
    from hw_amc.synth import nextpnr, yosys

    if blocks and flow.settings.lanes > 1:
        raise ConfigError("blocks are counted in one lane, which all lanes equal; leave out --lanes, or --blocks")
    if routed:
        nextpnr.find_nextpnr()  # before the minutes that Yosys takes
    board, name = flow.board, flow.accelerator.manifest.name
    family = family_with(board.ps).yosys
    folder = flow.workspace.build / "synth" / board.name
    lane = lane_module(name) if flow.settings.lanes > 1 else None
    with flow.exclusive(), flow.step("synth"):
        core = flow.core.name if blocks else None
        found = yosys.run(flow.accelerator.sources, name, folder, family, repeated=lane, blocks_of=core)
        cost = shell_cost(flow.settings.automatic_gain)
        section = yosys.section(found, flow.core, board, flow.command, flow.settings.lanes, cost)
        flow.merge({"synth": {board.name: section}})
        if routed:
            section["routed"] = _route(flow, folder / nextpnr.DEVICE)
            section["kind"]["routed"] = "measured"
            flow.merge({"synth": {board.name: section}})
    return section


def _route(flow: RtlFlow, folder: Path) -> list[dict[str, Any]]:
    """Place and route each block of the core by itself."""
    from hw_amc.synth import nextpnr

    rows = []
    for row in nextpnr.route_blocks(flow.core.sources, flow.core.name, folder):
        outcome = f"{row['fmax_mhz']:g} MHz" if "fmax_mhz" in row else row["reason"]
        flow.output.done(f"{nextpnr.DEVICE}: {row['name']}, {outcome}")
        rows.append(row)
    return rows
