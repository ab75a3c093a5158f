"""From report.json to what the pages say: one function a chapter, each silent where its section is absent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hw_amc.report import plots, published
from hw_amc.report.accuracy import Head, accuracy_chapter
from hw_amc.report.document import (
    Cell,
    Chapter,
    Document,
    Fact,
    Picture,
    Table,
    duration,
    figure,
    kind_of,
    listed,
    number,
    percent,
)
from hw_amc.report.judged import evaluation_chapters
from hw_amc.report.tables import (
    RESOURCES,
    Report,
    comparisons,
    device_label,
    layer_table,
    proof_table,
    proofs,
    resource_runs,
    resource_table,
    sweep_table,
    verdict,
)


def build_document(report: Report, title: str, accuracy: Report | None = None, heads: Sequence[Head] = ()) -> Document:
    """Put the whole page together.

    Parameters
    ----------
    report : dict
        Content of report.json.
    title : str
    accuracy : dict, optional
        Content of accuracy.json (accuracy by SNR, confusion matrices).
    heads : sequence of Head
        The network's outputs and their classes.
    """
    sentence, good = verdict(report)
    model = report.get("model", {})
    digest = model.get("graph_sha256", "")
    chapters = (
        _proof(report),
        accuracy_chapter(report, accuracy, heads),
        *evaluation_chapters(report, heads),
        _layers(report),
        _sweep(report),
        _resources(report),
        _speed(report),
        _steps(report),
    )
    return Document(
        title=title,
        subtitle=f"graph {digest[:16]}" if digest else "",
        verdict=sentence,
        good=good,
        proofs=tuple(proofs(report)),
        not_run=tuple(f"{name}: {item['reason']}" for name, item in report.get("not_run", {}).items()),
        facts=tuple(_facts(report, accuracy)),
        chapters=tuple(chapter for chapter in chapters if chapter is not None),
    )


def _facts(report: Report, accuracy: Report | None) -> Iterator[Fact]:
    model = report.get("model", {})
    if "nonzeros" in model and "parameters" in model:
        label = f"nonzero of {number(model['parameters'])} parameters"
        yield Fact(number(model["nonzeros"]), label, kind_of(model, "nonzeros"))
    if "sparsity" in model:
        yield Fact(percent(model["sparsity"]), "of the kernel weights are zero", kind_of(model, "sparsity"))
    if "memory_bytes" in model:
        yield Fact(f"{model['memory_bytes'] / 1000:.1f} kB", "of parameters, packed", kind_of(model, "memory_bytes"))
    high = (accuracy or {}).get("at_least_10_db", model.get("accuracy_at_least_10_db"))
    if high is not None:
        yield Fact(percent(high), "top-1 at SNR ≥ 10 dB", (accuracy or {}).get("kind", "measured"))
    estimate = report.get("estimate", {}).get("hls", {})
    if "cycles_per_frame" in estimate:
        yield Fact(number(estimate["cycles_per_frame"]), "cycles per frame (HLS)", "estimated")
    for run in report.get("cosim", {}).values():
        if "cycles_per_frame" in run:
            label = "cycles per frame (RTL)"
            yield Fact(number(run["cycles_per_frame"]), label, kind_of(run, "cycles_per_frame"))
            break


def _proof(report: Report) -> Chapter | None:
    table = proof_table(report)
    if table is None:
        return None
    text = (
        "Equal means that every integer of every compared tensor is the same, without tolerance. The first "
        "difference would have stopped the command with the layer, frame, step and channel where it stands."
    )
    references = {item["reference"] for _, item in comparisons(report) if "reference" in item}
    parts: list[Any] = [text, table]
    if references:
        parts.append(f"Reference: {listed(sorted(references))}.")
    return Chapter("What was proven", tuple(parts))


def _layers(report: Report) -> Chapter | None:
    table = layer_table(report)
    if table is None:
        return None
    text = (
        "Formats are s(igned) or u(nsigned), total bits, then fraction bits: s8.7 holds -1 to 0.992. Counts come from "
        "the deployed integers. Cycles, DSP, LUT, FF and BRAM are estimated for the HLS flow by the formulas of "
        "docs/estimate.md; no vendor tool was run for them. Layers work side by side, so the slowest one sets the pace."
    )
    return Chapter("Layer by layer", (text, table))


def _sweep(report: Report) -> Chapter | None:
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


def _resources(report: Report) -> Chapter | None:
    table = resource_table(report)
    if table is None:
        return None
    groups = {label: item["percent"] for label, item in resource_runs(report) if item.get("percent")}
    parts: list[Any] = [table]
    if groups:
        shown = {label: {key: group[key] for key in RESOURCES if key in group} for label, group in groups.items()}
        alt = "; ".join(f"{label}: {max(group.values()):.0f} % at most" for label, group in shown.items())
        caption = "Share of the board's budget; beyond the red line it does not fit."
        parts.insert(0, Picture("resources", plots.shares(shown), alt, caption))
    return Chapter("What it takes of the board", tuple(parts))


def _speed(report: Report) -> Chapter | None:
    parts: list[Any] = []
    runs = [(f"RTL, {name}", item) for name, item in report.get("cosim", {}).items()]
    if runs:
        keys = ("frames", "cycles_per_frame", "predicted_cycles_per_frame", "latency_cycles")
        rows = tuple((Cell(label), *(figure(item, key) for key in keys)) for label, item in runs)
        parts.append(Table(("Simulation", "Frames", "Cycles/frame", "Predicted", "Latency, cycles"), rows))
    bench = report.get("bench", {})
    if bench:
        rows = tuple(
            (
                Cell(device_label(device)),
                figure(item, "frames"),
                figure(item, "cycles_per_frame"),
                figure(item, "device_frames_per_s"),
                figure(item, "wall_frames_per_s"),
                _latency(item, "device_latency_us"),
                _latency(item, "wall_latency_us"),
            )
            for device, item in bench.items()
        )
        heads = (
            "Device",
            "Frames",
            "Cycles/frame",
            "Device frames/s",
            "Wall frames/s",
            "Device latency",
            "Wall latency",
        )
        parts.append(Table(heads, rows, caption="Latencies: median (99th percentile)"))
    if not parts:
        return None
    speed = published.gpu_frames_per_s(report.get("model", {}).get("name", ""))
    if speed is not None:
        parts.append(f"Published for this family on a Quadro M6000 GPU: {number(speed[0])} frames/s ({speed[1]}).")
    return Chapter("Speed", tuple(parts))


def _steps(report: Report) -> Chapter | None:
    steps = {name: item for name, item in report.get("steps", {}).items() if "seconds" in item}
    if not steps:
        return None
    most = max(item["seconds"] for item in steps.values()) or 1.0
    rows = tuple(
        (
            Cell(name.replace("_", " ")),
            Cell(duration(item["seconds"]), kind_of(item, "seconds"), 100 * item["seconds"] / most),
            Cell(item["command"]),
        )
        for name, item in steps.items()
    )
    total = (Cell("together"), Cell(duration(sum(item["seconds"] for item in steps.values())), "measured"), Cell(""))
    return Chapter("How long each step took", (Table(("Step", "Time", "Command"), rows, total=total),))


def _latency(item: Report, key: str) -> Cell:
    if key not in item:
        return Cell("")
    return Cell(f"{number(item[key]['p50'])} µs ({number(item[key]['p99'])})", kind_of(item, key))
