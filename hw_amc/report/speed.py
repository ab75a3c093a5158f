"""The chapters on speed and cost: the roads to an accelerator, what each R or reuse factor costs, what boards ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hw_amc.report import plots, published
from hw_amc.report.document import Cell, Chapter, Fact, Picture, Table, figure, kind_of, number, percent
from hw_amc.report.roads import Road, latency, road_table, roads, sample_rate
from hw_amc.report.subject import Report, Subject
from hw_amc.report.tables import device_label, rate_table, sweep_table


def answer(subject: Subject) -> str:
    """Say in a few sentences what the fastest accelerator does, and how often it is right."""
    found, said = roads(subject.report), []
    if found:
        best = found[0]
        rate = f" ({sample_rate(best, subject.samples)} of I/Q)" if subject.samples else ""
        said.append(
            f"{number(best.frames_per_s)} frames/s{rate} on {best.board} by {_road(best)}, {best.speed_kind}: "
            f"{number(best.cycles)} cycles per frame at {number(best.clock_mhz)} MHz ({best.cycles_kind}, by "
            f"{best.cycles_by})."
        )
        if not best.fits:
            said.append(f"It does not fit {best.board}.")
        other = next((road for road in found[1:] if road.flow != best.flow), None)
        if other is not None:
            fits = "" if other.fits else f", and does not fit {other.board}"
            said.append(f"By {_road(other)} it takes {number(other.cycles)} cycles ({other.cycles_kind}){fits}.")
    high, kind = _loud(subject)
    if high is not None:
        said.append(f"Of the frames at 10 dB and above {percent(high)} are named right ({kind}).")
    return " ".join(said)


def lead_facts(subject: Subject) -> Iterator[Fact]:
    """Yield the figures of the answer."""
    found = roads(subject.report)
    if found:
        best = found[0]
        yield Fact(number(best.frames_per_s), f"frames/s: {best.name}, {best.board}", best.speed_kind)
        if subject.samples:
            yield Fact(sample_rate(best, subject.samples), "of I/Q that it keeps up with", best.speed_kind)
        yield Fact(number(best.cycles), f"cycles per frame, by {best.cycles_by}", best.cycles_kind)
        if best.latency_cycles:
            yield Fact(latency(best), "from a frame's first sample to its answer", "estimated")
        if best.fullest is not None:
            name, share = best.fullest
            yield Fact(f"{share:.1f} %", f"of the board's {name.upper()}, the fullest resource", best.percent_kind)
    high, kind = _loud(subject)
    if high is not None:
        yield Fact(percent(high), "right at SNR ≥ 10 dB", kind)


def _road(road: Road) -> str:
    flow = {"RTL": "the RTL road", "HLS": "the HLS road"}.get(road.flow, "the accelerator there")
    return f"{flow}, R = {road.R}" if road.R else flow


def _loud(subject: Subject) -> tuple[float | None, str]:
    """Accuracy at 10 dB and above and its kind."""
    model, accuracy = subject.report.get("model", {}), subject.accuracy or {}
    high = accuracy.get("at_least_10_db", model.get("accuracy_at_least_10_db"))
    return high, accuracy.get("kind") or kind_of(model, "accuracy_at_least_10_db") or "measured"


def speed_chapter(subject: Subject) -> Chapter | None:
    """Set the roads side by side, then what simulations and boards ran."""
    report, parts = subject.report, list[Any]()
    table = road_table(roads(report), subject.samples)
    if table is not None:
        parts.append(
            "The faster road stands first. Cycles are measured where a simulation ran the very accelerator; frames/s "
            "follow from them at the board's clock, which a place-and-route run has yet to confirm unless a board ran "
            "it."
        )
        parts.append(table)
    parts += [each for each in (_simulated(report), _benches(report)) if each is not None]
    if not parts:
        return None
    speed = published.gpu_frames_per_s(report.get("model", {}).get("name", ""))
    if speed is not None:
        parts.append(f"Published for this family on a Quadro M6000 GPU: {number(speed[0])} frames/s ({speed[1]}).")
    return Chapter("Speed", tuple(parts))


def _simulated(report: Report) -> Table | None:
    runs = [(f"RTL, {name}", item) for name, item in report.get("cosim", {}).items()]
    if not runs:
        return None
    keys = ("frames", "cycles_per_frame", "predicted_cycles_per_frame", "latency_cycles")
    rows = tuple((Cell(label), *(figure(item, key) for key in keys)) for label, item in runs)
    return Table(("Simulation", "Frames", "Cycles/frame", "Predicted", "Latency, cycles"), rows)


def _benches(report: Report) -> Table | None:
    bench = report.get("bench", {})
    if not bench:
        return None
    keys = ("frames", "cycles_per_frame", "device_frames_per_s", "wall_frames_per_s")
    rows = tuple(
        (
            Cell(device_label(device)),
            *(figure(item, key) for key in keys),
            _latency(item, "device_latency_us"),
            _latency(item, "wall_latency_us"),
        )
        for device, item in bench.items()
    )
    heads = ("Device", "Frames", "Cycles/frame", "Device frames/s", "Wall frames/s", "Device latency", "Wall latency")
    return Table(heads, rows, caption="Latencies: median (99th percentile)")


def _latency(item: Report, key: str) -> Cell:
    if key not in item:
        return Cell("")
    return Cell(f"{number(item[key]['p50'])} µs ({number(item[key]['p99'])})", kind_of(item, key))


def rates_chapter(report: Report) -> Chapter | None:
    """Show LUTs and frames/s of the RTL road over R, with the board's limit."""
    table = rate_table(report)
    if table is None:
        return None
    estimate = report["estimate"]["rtl"]
    rows, board = estimate["sweep"], estimate.get("board", "the board")
    counted = {
        item["R"]: item["percent"]["lut"]
        for name, item in report.get("synth", {}).items()
        if name == board and "R" in item and "lut" in item.get("percent", {})
    }
    sweep = plots.Sweep(
        [row["R"] for row in rows],
        [row["percent"].get("lut", 0.0) for row in rows],
        [row["frames_per_s"] for row in rows],
        [bool(row["fits"]) for row in rows],
        estimate.get("R"),
        counted,
    )
    fitting = [row for row in rows if row["fits"]]
    text = (
        "R is the number of clock cycles that the accelerator takes for one I/Q sample: it is slower and smaller with "
        "a greater R. " + _first_fitting(fitting, board, estimate)
    )
    alt = "LUTs and frames per second fall as R grows; " + _first_fitting(fitting, board, estimate)
    caption = "Estimated for the whole accelerator, shell included, before synthesis. Filled: fits the board."
    caption += " Diamonds: LUTs that synthesis counted." if counted else ""
    return Chapter("What each R costs", (text, Picture("rates", plots.rates(sweep), alt, caption), table))


def _first_fitting(fitting: Sequence[Report], board: str, estimate: Report) -> str:
    if not fitting:
        return f"By these estimates no R fits {board}."
    first = fitting[0]
    return (
        f"R = {first['R']} is the fastest that fits {board} by these estimates: {number(first['frames_per_s'])} "
        f"frames/s at {number(estimate['clock_mhz'])} MHz."
    )


def sweep_chapter(report: Report) -> Chapter | None:
    """Show cycles and resources of the HLS road over the reuse factor."""
    estimate = report.get("estimate", {}).get("hls", {})
    table = sweep_table(report)
    if table is None:
        return None
    rows = estimate["sweep"]
    keys = [key for key in ("lut", "dsp", "ff", "bram36") if any(row["percent"].get(key) for row in rows)]
    shares: dict[str, Sequence[float]] = {key.upper(): [row["percent"].get(key, 0) for row in rows] for key in keys}
    reuse = [row["reuse_factor"] for row in rows]
    svg = plots.trade(reuse, [row["cycles_per_frame"] for row in rows], shares)
    fitting = [row for row in rows if row["fits"]]
    board = estimate.get("board", "the board")
    if fitting:
        first = fitting[0]
        text = (
            f"Of these, reuse factor {first['reuse_factor']} is the first whose estimate fits {board}: "
            f"{number(first['cycles_per_frame'])} cycles per frame, {number(first['frames_per_s'])} frames/s at "
            f"{number(estimate['clock_mhz'])} MHz."
        )
    else:
        text = f"By these estimates none of the reuse factors fits {board}."
    alt = "Cycles per frame rise and resources fall as the reuse factor grows"
    picture = Picture("reuse", svg, alt, "Estimated without a vendor tool, every layer at its largest legal factor.")
    lead = (
        "What a reuse factor costs and saves, before any vendor tool is started. At 1 each nonzero weight is its own "
        "shift-and-add; above, multipliers are shared. A recurrent layer cannot accept its next sample before the "
        "present one has gone round the loop. "
    )
    return Chapter("What a reuse factor would cost", (lead + text, picture, table))
