"""What the methods of a model return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_amc.api import html
from hw_amc.report.tables import Report as Sections
from hw_amc.report.tables import layer_table, proof_table, resource_table, sweep_table, verdict

#: Figures of a run in the simulator, and their heads.
_SIMULATED = {
    "frames": "frames",
    "cycles_per_frame": "cycles/frame",
    "predicted_cycles_per_frame": "predicted",
    "latency_cycles": "latency, cycles",
    "frames_per_s": "frames/s of the simulator",
}

#: Figures of a row of an estimate, and their heads.
_ESTIMATED = {
    "reuse_factor": "reuse factor",
    "R": "R",
    "K": "K",
    "cycles_per_frame": "cycles/frame",
    "frames_per_s": "frames/s",
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "bram36": "BRAM36",
    "fits": "fits",
}


@dataclass(frozen=True)
class Proof:
    """Two back ends that were compared, and equal in every integer; a difference raises Mismatch."""

    claim: str
    frames: int
    #: Integers compared; None where only the logits were.
    integers: int | None


@dataclass(frozen=True, repr=False)
class Verification:
    """What was proven of a model."""

    model: str
    #: Where the frames come from.
    source: str
    proofs: tuple[Proof, ...]

    def __repr__(self) -> str:
        told = "; ".join(f"{each.claim} on {each.frames:,} frames" for each in self.proofs)
        return f"<{self.model}: equal in every integer, {told}>"

    def _repr_html_(self) -> str:
        rows = [(each.claim, f"{each.frames:,}", _counted(each.integers)) for each in self.proofs]
        title = f"{self.model}: equal in every integer (measured; {self.source})"
        return html.block(title, html.table(("proven", "frames", "integers compared"), rows))


@dataclass(frozen=True, repr=False)
class Simulation:
    """What simulators saw of the accelerator, whose logits all equalled golden's."""

    model: str
    board: str
    source: str
    clock_mhz: float
    #: Figures by simulator, as report.json has them.
    runs: dict[str, dict[str, Any]]

    @property
    def frames(self) -> int:
        """Most frames that a simulator ran."""
        return max(int(run["frames"]) for run in self.runs.values())

    @property
    def cycles_per_frame(self) -> float:
        """Clock cycles between successive results (measured)."""
        return float(next(iter(self.runs.values()))["cycles_per_frame"])

    @property
    def latency_cycles(self) -> int:
        """Clock cycles from the first sample to the first result (measured)."""
        return int(next(iter(self.runs.values()))["latency_cycles"])

    @property
    def frames_per_s(self) -> float:
        """Frames a second at the board's clock (estimated)."""
        run = next(iter(self.runs.values()))
        return 1e6 * self.clock_mhz * int(run.get("lanes", 1)) / self.cycles_per_frame

    def __repr__(self) -> str:
        speed = (
            f"{self.cycles_per_frame:,g} cycles a frame, {self.frames_per_s:,.0f} frames/s at {self.clock_mhz:g} MHz"
        )
        return f"<{self.model} simulated, {self.frames:,} frames equal to golden: {speed} (estimated)>"

    def _repr_html_(self) -> str:
        rows = [(name, *(_number(run.get(key, "")) for key in _SIMULATED)) for name, run in self.runs.items()]
        title = f"{self.model}: every logit equal to golden ({self.source})"
        speed = f"{self.frames_per_s:,.0f} frames/s on {self.board} at {self.clock_mhz:g} MHz (estimated)"
        return html.block(title, html.table(("simulator", *_SIMULATED.values()), rows), html.paragraph(speed))


@dataclass(frozen=True, repr=False)
class Estimate:
    """Cycles and resources that formulas give; nothing was synthesised."""

    model: str
    #: "hls" or "rtl".
    flow: str
    board: str
    part: str
    clock_mhz: float
    #: The accelerator as project.toml sets it: cycles_per_frame, frames_per_s, lut, ff, dsp, bram36, percent, ...
    chosen: dict[str, Any]
    #: The same at other reuse factors (hls) or cycles per step (rtl).
    rows: Sequence[dict[str, Any]]
    #: Of the HLS flow, each layer.
    layers: Sequence[dict[str, Any]] = ()

    @property
    def fits(self) -> bool:
        """Whether the board's part has enough of everything, as set."""
        return all(share <= 100 for share in self.chosen["percent"].values())

    @property
    def cycles_per_frame(self) -> float:
        """Clock cycles a frame, as set."""
        return float(self.chosen["cycles_per_frame"])

    @property
    def frames_per_s(self) -> float:
        """Frames a second at the board's clock, as set."""
        return float(self.chosen["frames_per_s"])

    def __repr__(self) -> str:
        figures = f"{self.frames_per_s:,.0f} frames/s, {self.chosen['lut']:,.0f} LUT, {self.chosen['dsp']:,.0f} DSP"
        fits = "fits" if self.fits else "does not fit"
        return f"<{self.model}, {self.flow.upper()}, on {self.board}: {figures}, {fits} (estimated)>"

    def _repr_html_(self) -> str:
        chosen = {**self.chosen, "fits": self.fits}
        keys = [key for key in _ESTIMATED if any(key in row for row in (chosen, *self.rows))]
        rows = [("as set", *(_number(chosen.get(key, "")) for key in keys))]
        rows += [("", *(_number(row.get(key, "")) for key in keys)) for row in self.rows]
        title = f"{self.model}, {self.flow.upper()}, on {self.board} ({self.part}) at {self.clock_mhz:g} MHz: estimated"
        layers = html.report_table("Layers as set", layer_table({"layers": list(self.layers)}))
        return html.block(title, html.table(("", *(_ESTIMATED[key] for key in keys)), rows), layers)


@dataclass(frozen=True, repr=False)
class HlsProject:
    """An HLS project that was written, and proven equal to Keras."""

    folder: Path
    verification: Verification
    estimate: Estimate
    #: Why the vendor's synthesis did not run; empty where it did.
    not_run: str
    report: Report

    def __repr__(self) -> str:
        return f"<HLS project in {self.folder}, equal to Keras; {self.not_run or 'synthesised'}>"

    def _repr_html_(self) -> str:
        parts = (self.verification, self.estimate)
        return html.block(f"HLS project in {self.folder}", *(html.paragraph(t) for t in filter(None, [self.not_run])),
                          *(part._repr_html_() for part in parts))  # fmt: skip


@dataclass(frozen=True, repr=False)
class RtlProject:
    """The accelerator's Verilog and manifest, and what it costs."""

    folder: Path
    #: Names of the files in it.
    files: tuple[str, ...]
    estimate: Estimate

    @property
    def fits(self) -> bool:
        """Whether the board's part has enough of everything."""
        return self.estimate.fits

    def __repr__(self) -> str:
        return f"<{len(self.files)} files in {self.folder}: {self.estimate!r}>"

    def _repr_html_(self) -> str:
        return html.block(f"{len(self.files)} files in {self.folder}", self.estimate._repr_html_())


@dataclass(frozen=True, repr=False)
class OverlayProject:
    """The overlay's project for Vivado."""

    folder: Path
    #: Bitstream and all that a board needs; None where vivado is not on PATH.
    archive: Path | None

    def __repr__(self) -> str:
        built = "not built: vivado is not on PATH" if self.archive is None else f"built: {self.archive}"
        return f"<overlay project in {self.folder}, {built}>"


@dataclass(frozen=True, repr=False)
class Report:
    """The pages of a model's results."""

    model: str
    page: Path
    markdown: Path
    #: Content of report.json.
    sections: Sections

    @property
    def verdict(self) -> str:
        """The proofs in one sentence."""
        return verdict(self.sections)[0]

    def __repr__(self) -> str:
        return f"<report of {self.model}: {self.verdict} {self.page}>"

    def _repr_html_(self) -> str:
        tables = (("Comparisons", proof_table), ("Resources", resource_table), ("Other reuse factors", sweep_table))
        parts = [html.report_table(title, build(self.sections)) for title, build in tables]
        return html.block(f"{self.model}: {self.verdict}", *parts, html.paragraph(f"whole report: {self.page}"))


def _counted(integers: int | None) -> str:
    return "logits" if integers is None else f"{integers:,}"


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 100 else f"{value:,.4g}"
