"""Verdict and tables of the report, from report.json alone: what the pages and the terminal share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hw_amc.report.document import Cell, Table, figure, number

Report = dict[str, Any]

#: Runs that compare integers: path in the report, and what they prove.
COMPARED = (
    (("golden",), "Keras = golden"),
    (("csim", "ap_fixed"), "Keras = C-simulation (ap_fixed, the synthesizable types)"),
    (("csim", "native"), "Keras = C-simulation (native integers)"),
    (("hls", "cosim"), "golden = Verilog of the HLS tool"),
    (("cosim", "verilator"), "golden = RTL (Verilator)"),
    (("cosim", "icarus"), "golden = RTL (Icarus)"),
)
RESOURCES = ("lut", "ff", "dsp", "bram36", "uram", "carry")


def comparisons(report: Report) -> list[tuple[str, Report]]:
    """List the runs that compared integers, bench runs included: (what they prove, run)."""
    found = []
    for path, name in COMPARED:
        item: Any = report
        for key in path:
            item = item.get(key, {})
        if "mismatches" in item:
            found.append((name, item))
    for device, item in report.get("bench", {}).items():
        if "mismatches" in item:
            found.append((f"golden = accelerator ({device_label(device)})", item))
    return found


def verdict(report: Report) -> tuple[str, bool | None]:
    """Sum the comparisons up: a sentence, and whether it is good (None: nothing was compared)."""
    runs = comparisons(report)
    wrong = [(name, item) for name, item in runs if item["mismatches"]]
    if wrong:
        name, item = wrong[0]
        return f"Not equal: {name} fails in {number(item['mismatches'])} places.", False
    if not runs:
        return "Nothing has been compared yet.", None
    most = max(item.get("frames", 0) for _, item in runs)
    return f"Equal in every integer, on up to {number(most)} frames.", True


def proofs(report: Report) -> Iterator[str]:
    """Say each comparison in a line."""
    for name, item in comparisons(report):
        integers = f", {number(item['integers'])} integers" if "integers" in item else ""
        wrong = number(item["mismatches"]) if item["mismatches"] else "no"
        plural = "" if item["mismatches"] == 1 else "es"
        yield f"{name}: {number(item.get('frames', 0))} frames{integers}, {wrong} mismatch{plural}"


def proof_table(report: Report) -> Table | None:
    """Tell what was compared with what."""
    runs = comparisons(report)
    if not runs:
        return None
    rows = [
        (
            Cell(name),
            figure(item, "frames"),
            figure(item, "integers"),
            figure(item, "mismatches"),
            figure(item, "frames_per_s" if "frames_per_s" in item else "wall_frames_per_s"),
            Cell(item["command"]),
        )
        for name, item in runs
    ]
    return Table(("Proven equal", "Frames", "Integers compared", "Mismatches", "Frames/s", "Command"), tuple(rows))


def layer_table(report: Report) -> Table | None:
    """Weights, formats and estimated cost per layer."""
    layers = report.get("layers")
    if not layers:
        return None
    shown = [key for key in ("cycles", "dsp", "lut", "ff", "bram36") if any(key in layer for layer in layers)]
    counted = ("weights", "nonzeros", "macs")
    rows = []
    for layer in layers:
        formats = layer.get("formats", {})
        weights = f" · {formats['kernel']}" if "kernel" in formats else ""
        rows.append(
            (
                Cell(layer["name"]),
                *(_or_nothing(layer, key) for key in counted),
                Cell(f"{formats.get('input', '')} → {formats.get('output', '')}{weights}"),
                Cell(str(layer.get("reuse_factor", ""))),
                *(figure(layer, key) for key in shown),
            )
        )
    sums = {key: sum(layer.get(key, 0) for layer in layers) for key in (*counted, *shown)}
    slowest = max((layer.get("cycles", 0) for layer in layers), default=0)
    total = (
        Cell("whole"),
        *(Cell(number(sums[key]), "measured") for key in counted),
        Cell(""),
        Cell(""),
        *(Cell(number(slowest if key == "cycles" else sums[key]), "estimated") for key in shown),
    )
    heads = ("Layer", "Weights", "Nonzero", "MACs/frame", "In → out · weights", "Reuse", *map(heading, shown))
    return Table(heads, tuple(rows), total=total)


def sweep_table(report: Report) -> Table | None:
    """Build the table of the HLS flow's estimate against the reuse factor."""
    whole = report.get("estimate", {}).get("hls", {})
    if not whole.get("sweep"):
        return None
    rows = tuple(
        (
            Cell(str(row["reuse_factor"])),
            *(Cell(number(row[key]), "estimated") for key in ("cycles_per_frame", "frames_per_s")),
            *(Cell(number(row[key]), "estimated", row["percent"].get(key)) for key in ("lut", "ff", "dsp")),
            Cell("yes" if row["fits"] else "no"),
        )
        for row in whole["sweep"]
    )
    board = whole.get("board", "the board")
    heads = ("Reuse factor", "Cycles/frame", "Frames/s", "LUT", "FF", "DSP", f"Fits {board}")
    return Table(heads, rows, caption="fits: at most 85 % of LUTs and flip-flops, all of the rest")


def rate_table(report: Report) -> Table | None:
    """Build the table of the RTL flow's estimate at each R; the R that is built has a mark."""
    whole = report.get("estimate", {}).get("rtl", {})
    if not whole.get("sweep"):
        return None
    rows = tuple(
        (
            Cell(f"{row['R']}{' *' if row['R'] == whole.get('R') else ''}"),
            *(Cell(number(row[key]), "estimated") for key in ("K", "cycles_per_frame", "frames_per_s")),
            *(Cell(number(row[key]), "estimated", row["percent"].get(key)) for key in RESOURCES if key in row),
            Cell("yes" if row["fits"] else "no"),
        )
        for row in whole["sweep"]
    )
    shown = [heading(key) for key in RESOURCES if key in whole["sweep"][0]]
    heads = ("R", "K", "Cycles/frame", "Frames/s", *shown, f"Fits {whole.get('board', 'the board')}")
    return Table(heads, rows, caption="* as it is built. K: frames or channels at work side by side")


def resource_table(report: Report) -> Table | None:
    """Resources of every estimate, tool report and synthesis, with the share of the board."""
    sources = list(resource_runs(report))
    shown = [key for key in RESOURCES if any(key in item for _, item in sources)]
    if not shown:
        return None
    rows = tuple(
        (Cell(label), *(_share(item, key) for key in shown), Cell(str(item.get("tool", item["command"]))))
        for label, item in sources
    )
    return Table(("Source", *map(heading, shown), "By"), rows)


def resource_runs(report: Report) -> Iterator[tuple[str, Report]]:
    """List every estimate, tool report and synthesis with its label."""
    for flow, item in report.get("estimate", {}).items():
        yield f"{flow.upper()} estimate, {item.get('board', '')}".rstrip(", "), item
    for name, item in report.get("hls", {}).items():
        yield f"HLS tool, {name}", item
    for board, item in report.get("synth", {}).items():
        rate = f", R = {item['R']}" if "R" in item else ""
        yield f"RTL synthesis, {board}{rate}", item


def _or_nothing(layer: Report, key: str) -> Cell:
    return figure(layer, key) if layer.get(key) else Cell("")


def _share(item: Report, key: str) -> Cell:
    cell = figure(item, key)
    share = item.get("percent", {}).get(key)
    return cell if share is None or not cell.text else Cell(f"{cell.text} ({share:.1f} %)", cell.kind, share)


def device_label(name: str) -> str:
    """Name a bench device for people."""
    if name == "sim":
        return "simulated device"
    return f"simulated {name[4:]}" if name.startswith("sim-") else name


def heading(key: str) -> str:
    """Name a resource column."""
    return {"cycles": "Cycles/frame", "bram36": "BRAM36", "carry": "Carry"}.get(key, key.upper())
