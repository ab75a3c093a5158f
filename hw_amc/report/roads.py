"""The ways to an accelerator that a report knows, fastest first: how fast each is, and what it takes of the board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hw_amc.report.document import Cell, Table, kind_of, number

Report = dict[str, Any]


@dataclass(frozen=True)
class Road:
    """One accelerator on one board, by the RTL or the HLS flow."""

    flow: str
    board: str
    #: Clock cycles from one answer to the next, of one lane, and who says so.
    cycles: float
    cycles_kind: str
    cycles_by: str
    #: Of all lanes, at the board's clock.
    frames_per_s: float
    speed_kind: str
    clock_mhz: float
    #: Clock cycles per input sample of the RTL flow, 0 in the HLS flow.
    R: int = 0
    #: From the first sample of a frame to its answer.
    latency_cycles: float | None = None
    #: Share of the board's budget by resource.
    percent: tuple[tuple[str, float], ...] = ()
    percent_kind: str = ""

    @property
    def name(self) -> str:
        """The flow and what was set, for people."""
        return f"{self.flow}, R = {self.R}" if self.R else self.flow

    @property
    def fits(self) -> bool:
        """Whether no resource is exceeded, by what is known."""
        return all(share <= 100 for _, share in self.percent)

    @property
    def fullest(self) -> tuple[str, float] | None:
        """The resource of which most is taken, and its share in percent."""
        return max(self.percent, key=lambda pair: pair[1], default=None)


def roads(report: Report) -> list[Road]:
    """List the accelerators that a report has figures of: what fits comes first, then what a board ran, then speed."""
    found = [*_rtl(report), *_hls(report), *_boards(report)]
    return sorted(found, key=lambda road: (road.fits, road.speed_kind == "measured", road.frames_per_s), reverse=True)


def _rtl(report: Report) -> Iterator[Road]:
    """Yield each R that was estimated as built or synthesised, with what synthesis counted and simulation measured."""
    estimate = report.get("estimate", {}).get("rtl", {})
    synth = report.get("synth", {})
    pairs = [(estimate.get("board", ""), estimate), *synth.items()]
    found: dict[tuple[str, int], Road] = {}
    for board, item in pairs:
        road = _road("RTL", board, item, "estimate")
        if road is None:
            continue
        at = (board, road.R)
        # Synthesis comes after the estimate: what it counted replaces it.
        found[at] = replace(found[at], percent=road.percent, percent_kind=road.percent_kind) if at in found else road
    for road in found.values():
        yield _simulated(road, report)


def _simulated(road: Road, report: Report) -> Road:
    """Put in what a simulation of the same Verilog measured."""
    for simulator, run in report.get("cosim", {}).items():
        same = run["R"] == road.R if "R" in run else run.get("predicted_cycles_per_frame") == road.cycles
        if same and run.get("source", "rtl") == "rtl" and run.get("cycles_per_frame"):
            lanes = round(road.frames_per_s * road.cycles / (road.clock_mhz * 1e6)) or 1
            cycles = run["cycles_per_frame"]
            return replace(
                road,
                cycles=cycles,
                cycles_kind=kind_of(run, "cycles_per_frame"),
                cycles_by=simulator.capitalize(),
                frames_per_s=lanes * road.clock_mhz * 1e6 / cycles,
                latency_cycles=run.get("latency_cycles"),
            )
    return road


def _hls(report: Report) -> Iterator[Road]:
    """Yield the HLS accelerator, with what the vendor's tool said of it where that ran."""
    item = report.get("estimate", {}).get("hls", {})
    road = _road("HLS", item.get("board", ""), item, "estimate")
    if road is None:
        return
    for step in ("csynth", "cosim"):
        run = report.get("hls", {}).get(step, {})
        if cycles := run.get("cycles_per_frame", run.get("interval_cycles")):
            key = "cycles_per_frame" if "cycles_per_frame" in run else "interval_cycles"
            speed = road.clock_mhz * 1e6 / cycles
            road = replace(
                road, cycles=cycles, cycles_kind=kind_of(run, key), cycles_by=step, frames_per_s=speed,
                latency_cycles=run.get("latency_cycles", road.latency_cycles),
            )  # fmt: skip
        if run.get("percent"):
            road = replace(road, percent=tuple(run["percent"].items()), percent_kind=kind_of(run, "percent"))
    yield road


def _boards(report: Report) -> Iterator[Road]:
    """Yield what boards ran, not simulated ones: these show no speed that the simulation of the Verilog does not."""
    for device, item in report.get("bench", {}).items():
        if device == "sim" or device.startswith("sim-") or not item.get("device_frames_per_s"):
            continue
        latency = item.get("device_latency_us", {}).get("p50")
        clock = item.get("clock_mhz", 0.0)
        yield Road(
            flow="on the board", board=device, cycles=item.get("cycles_per_frame", 0.0),
            cycles_kind=kind_of(item, "cycles_per_frame"), cycles_by="the accelerator's counters",
            frames_per_s=item["device_frames_per_s"], speed_kind=kind_of(item, "device_frames_per_s"), clock_mhz=clock,
            R=item.get("R", 0), latency_cycles=latency * clock if latency else None,
        )  # fmt: skip


def _road(flow: str, board: str, item: Report, by: str) -> Road | None:
    """Return what one section says of an accelerator, None where it says no speed."""
    cycles, clock = item.get("cycles_per_frame"), item.get("clock_mhz")
    if not cycles or not clock:
        return None
    return Road(
        flow=flow, board=board, cycles=cycles, cycles_kind=kind_of(item, "cycles_per_frame"), cycles_by=by,
        frames_per_s=item.get("frames_per_s", clock * 1e6 / cycles), speed_kind="estimated", clock_mhz=clock,
        R=item.get("R", 0), latency_cycles=item.get("latency_cycles"), percent=tuple(item.get("percent", {}).items()),
        percent_kind=kind_of(item, "percent"),
    )  # fmt: skip


def road_table(found: list[Road], samples: int | None) -> Table | None:
    """Set the accelerators side by side, fastest first."""
    if not found:
        return None
    rows = tuple(
        (
            Cell(road.name),
            Cell(f"{road.board}, {number(road.clock_mhz)} MHz"),
            Cell(number(road.cycles), road.cycles_kind),
            Cell(number(road.frames_per_s), road.speed_kind),
            *([Cell(sample_rate(road, samples), road.speed_kind)] if samples else []),
            Cell("" if road.latency_cycles is None else latency(road), "estimated" if road.latency_cycles else ""),
            Cell(taken(road), road.percent_kind, road.fullest[1] if road.fullest else None),
        )
        for road in found
    )
    rate = ("I/Q samples/s",) if samples else ()
    return Table(("Road", "Board", "Cycles/frame", "Frames/s", *rate, "Latency", "Fullest resource"), rows)


def sample_rate(road: Road, samples: int) -> str:
    """Write the I/Q samples per second that an accelerator keeps up with."""
    rate = road.frames_per_s * samples
    return f"{number(rate / 1e6)} MS/s" if rate >= 1e6 else f"{number(rate / 1e3)} kS/s"


def latency(road: Road) -> str:
    """Write the time from the first sample of a frame to its answer."""
    microseconds = (road.latency_cycles or 0) / road.clock_mhz
    return f"{number(microseconds)} µs" if microseconds < 1000 else f"{number(microseconds / 1000)} ms"


def taken(road: Road) -> str:
    """Write the fullest resource and its share."""
    return "" if road.fullest is None else f"{road.fullest[1]:.1f} % of {road.fullest[0].upper()}"
