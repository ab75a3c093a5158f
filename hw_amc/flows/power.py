"""The power estimate of the RTL flow: toggles of real frames in the fast runner, at one R or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import reduce
from operator import add
from typing import Any

from hw_amc.errors import ConfigError
from hw_amc.flows.rtl import RtlFlow, RtlOptions
from hw_amc.parts import STATIC_W, family_of


def estimate_power(flow: RtlFlow, frames: int | None = None, sweep: Sequence[int] = ()) -> dict[str, Any]:
    """Count what toggles on held-out frames, estimate power and energy; merge and return the section.

    Parameters
    ----------
    flow : RtlFlow
    frames : int, optional
        Frames that go through the simulation; by default two rounds of contexts.
    sweep : sequence of int
        More values of R, each simulated in turn, for the section's rows.

    Raises
    ------
    ConfigError
        The core comes from HLS, or there are too few frames.
    UnsupportedLayer
        The part is of a family whose energies are unknown.
    Mismatch, ToolMissing, ToolFailed
        As `hw_amc.cosim.activity.measure`.
    """
    if flow.hls_export is not None:
        raise ConfigError("power is estimated of the RTL core, whose blocks are known; leave out --hls")
    with flow.exclusive(), flow.step("power"):
        section = _section(flow, frames)
        others = [rate for rate in dict.fromkeys(sweep) if rate != flow.core.cycles_per_step]
        rows = [section, *(_section(_at(flow, rate), frames) for rate in others)]
        if others:
            keys = ("R", "K", "frames_per_s", "toggle_rate", "dynamic_w", "energy_uj_per_frame", "lut", "ff")
            ranked = sorted(rows, key=lambda row: float(row["energy_uj_per_frame"]))
            section["sweep"] = [{key: row[key] for key in keys} for row in ranked]
            section["kind"]["sweep"] = "estimated"
        flow.merge({"power": {flow.board.name: section}})
    return section


def _at(flow: RtlFlow, rate: int) -> RtlFlow:
    """The same model and board at another R."""
    return replace(flow, settings=RtlOptions(cycles_per_step=rate).apply(flow.settings))


def _section(flow: RtlFlow, frames: int | None) -> dict[str, Any]:
    """One R: what was counted, and the estimate."""
    from hw_amc.cosim.activity import SAIF, SHELL, least_frames, measure, total
    from hw_amc.cosim.power import frame_uj
    from hw_amc.rtl.shell.accelerator import shell_cost
    from hw_amc.verify.results import golden_logits

    lane, core, energy = flow.accelerator.lane, flow.core, family_of(flow.board.part).energy
    wire = flow.take(frames or least_frames(lane)).wire
    folder = flow.workspace.build / "power" / flow.board.name
    expected = golden_logits(flow.graph, wire, lane.manifest.input_shift)
    found = measure(flow.graph, lane, core.costs, wire, expected, folder)
    costs = {**core.costs, SHELL: shell_cost(flow.settings.automatic_gain)}
    spent = frame_uj(found, costs, energy, core.cycles_per_frame)
    whole, used = reduce(add, spent.values()), reduce(add, costs.values()) * flow.settings.lanes
    all_ = total(found)
    flow.output.done(f"R = {core.cycles_per_step}: {all_.cycles} cycles, {all_.toggles} toggles, {folder / SAIF}")
    speed = flow.settings.lanes * flow.board.clock_mhz * 1e6 / core.cycles_per_frame
    figures: dict[str, Any] = {
        "toggle_rate": round(all_.rate, 4),
        "energy_uj_per_frame": round(whole.total, 6),
        "energy_uj": {name: round(value, 6) for name, value in asdict(whole).items()},
        "dynamic_w": round(whole.total * 1e-6 * speed, 4),
        "frames_per_s": round(speed, 1),
        "lut": round(used.lut),
        "ff": round(used.ff),
        "blocks": [
            {"name": name, "toggle_rate": round(found[name].rate, 4), "energy_uj": round(item.total, 6)}
            | {part: round(value, 6) for part, value in asdict(item).items()}
            for name, item in spent.items()
        ],
    }
    static = next((watts for part, watts in STATIC_W.items() if flow.board.part.startswith(part)), None)
    kinds = {**dict.fromkeys(figures, "estimated"), "toggle_rate": "measured", "frames": "measured"}
    if static is not None:
        figures["static_w"], kinds["static_w"] = static, "published"
    kinds |= {"cycles": "measured", "cycles_per_frame": "estimated"}
    facts = {
        "part": flow.board.part,
        "R": core.cycles_per_step,
        "K": core.contexts,
        "lanes": flow.settings.lanes,
        "mode": core.mode,
        "clock_mhz": flow.board.clock_mhz,
        "frames": len(wire),
        "cycles": all_.cycles,
        "cycles_per_frame": core.cycles_per_frame,
    }
    return {**facts, **figures, "date": date.today().isoformat(), "command": flow.command, "kind": kinds}
