"""From report.json to what the pages say: one function a chapter, each silent where its section is absent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hw_amc import __version__
from hw_amc.report import drawing, plots
from hw_amc.report.accuracy import accuracy_chapter
from hw_amc.report.document import (
    Cell,
    Chapter,
    Document,
    Fact,
    Picture,
    Table,
    duration,
    kind_of,
    listed,
    number,
    percent,
    short,
)
from hw_amc.report.judged import evaluation_chapters
from hw_amc.report.power import power_chapters
from hw_amc.report.speed import answer, lead_facts, rates_chapter, speed_chapter, sweep_chapter
from hw_amc.report.subject import Report, Subject
from hw_amc.report.tables import (
    RESOURCES,
    comparisons,
    layer_table,
    proof_table,
    proofs,
    resource_runs,
    resource_table,
    verdict,
)


def build_document(subject: Subject) -> Document:
    """Put the whole page together."""
    report = subject.report
    sentence, good = verdict(report)
    digest = report.get("model", {}).get("graph_sha256", "")
    chapters = (
        speed_chapter(subject),
        rates_chapter(report),
        accuracy_chapter(subject),
        *evaluation_chapters(report, subject.heads),
        _network(subject),
        _layers(report),
        _quantisation(report),
        _proof(report),
        _resources(report),
        *power_chapters(report),
        sweep_chapter(report),
        _steps(report),
        _origin(subject),
        _files(subject),
    )
    not_run = [f"Not run: {name}: {item['reason']}" for name, item in report.get("not_run", {}).items()]
    return Document(
        title=subject.title,
        subtitle=f"graph {digest[:16]}" if digest else "",
        answer=answer(subject),
        lead=tuple(lead_facts(subject)),
        verdict=sentence,
        good=good,
        proofs=tuple(proofs(report)),
        left_open=(*not_run, *(f"Not shown: {problem}" for problem in subject.problems)),
        facts=tuple(_facts(subject)),
        chapters=tuple(chapter for chapter in chapters if chapter is not None),
    )


def _facts(subject: Subject) -> Iterator[Fact]:
    """Yield what the network is, in figures."""
    model = subject.report.get("model", {})
    if "nonzeros" in model and "parameters" in model:
        label = f"nonzero of {number(model['parameters'])} parameters"
        yield Fact(number(model["nonzeros"]), label, kind_of(model, "nonzeros"))
    if "sparsity" in model:
        yield Fact(percent(model["sparsity"]), "of the kernel weights are zero", kind_of(model, "sparsity"))
    if "memory_bytes" in model:
        size = short(model["memory_bytes"])
        yield Fact(f"{size}B", "of parameters, packed", kind_of(model, "memory_bytes"))
    if "nonzero_macs_per_frame" in model and "macs_per_frame" in model:
        label = f"of {short(model['macs_per_frame'])} MACs a frame are left".replace("  ", " ")
        yield Fact(short(model["nonzero_macs_per_frame"]).strip(), label, kind_of(model, "nonzero_macs_per_frame"))
    average = (subject.accuracy or {}).get("average", model.get("average_accuracy"))
    if average is not None:
        yield Fact(percent(average), "right over all SNR", (subject.accuracy or {}).get("kind", "measured"))


def _network(subject: Subject) -> Chapter | None:
    """Draw the network."""
    graph = subject.graph
    if graph is None:
        return None
    wide, narrow = drawing.draw_network(graph)
    heads = listed(f"{len(head.classes)} classes" + (f" ({head.name})" if head.name else "") for head in subject.heads)
    text = f"Frames of {number(graph.frame_len)} I/Q samples in, logits of {heads} out. " + (
        "Formats are s(igned) or u(nsigned), total bits, then fraction bits: s8.7 holds -1 to 0.992. The bar of a box "
        "is the part of its kernel weights that is not zero."
    )
    alt = "From input to output: " + ", ".join(f"{node.name} ({node.op})" for node in graph.nodes)
    return Chapter("The network", (text, Picture("network", wide, alt, narrow=narrow)))


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
        "Counts come from the deployed integers. Cycles, DSP, LUT, FF and BRAM are estimated for the HLS flow by the "
        "formulas of docs/estimate.md; no vendor tool was run for them. Layers work side by side, so the slowest one "
        "sets the pace."
    )
    return Chapter("Layer by layer", (text, table))


def _quantisation(report: Report) -> Chapter | None:
    """Tell what `hw-amc init` measured before and after quantisation."""
    found = report.get("quantisation")
    if not found:
        return None
    keys = ("accuracy_before", "accuracy_untuned", "accuracy_after", "same_answers")
    last = f"Right after {found['tuning_steps']} steps of training on" if "tuning_steps" in found else "Right after"
    labels = ("Right before quantisation", "Right after it alone", last, "Answers as before")
    cells = [(label, key) for label, key in zip(labels, keys, strict=True) if key in found]
    parts: list[Any] = []
    if "source" in found:
        parts.append(f"Judged on {number(found.get('frames', 0))} frames: {found['source']}.")
    if cells:
        row = tuple(Cell(percent(found[key]), kind_of(found, key)) for _, key in cells)
        parts.append(Table(tuple(label for label, _ in cells), (row,)))
    if "calibration" in found:
        parts.append(f"Calibrated on {number(found.get('calibration_frames', 0))} frames: {found['calibration']}.")
    if found.get("sqnr_db"):
        kind = kind_of(found, "sqnr_db")
        rows = tuple((Cell(name), Cell(f"{value:.1f}", kind)) for name, value in found["sqnr_db"].items())
        parts.append(
            "SQNR is the power of the float layer over that of all noise that has come up to it; a few dB tell of a "
            "layer that needs more bits (--widths). A layer that is exact, or zero throughout, has none."
        )
        parts.append(Table(("Layer", "SQNR, dB"), rows))
    return Chapter("What quantisation costs", tuple(parts)) if parts else None


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


def _steps(report: Report) -> Chapter | None:
    steps = {name: item for name, item in report.get("steps", {}).items() if "seconds" in item}
    if not steps:
        return None
    most = max(item["seconds"] for item in steps.values()) or 1.0
    rows = tuple(
        (
            Cell(name.replace("_", " ")),
            Cell(duration(item["seconds"]), kind_of(item, "seconds"), 100 * item["seconds"] / most),
            Cell(item.get("date", "")),
            Cell(item["command"]),
        )
        for name, item in steps.items()
    )
    together = Cell(duration(sum(item["seconds"] for item in steps.values())), "measured")
    total = (Cell("together"), together, Cell(""), Cell(""))
    return Chapter("How long each step took", (Table(("Step", "Time", "Date", "Command"), rows, total=total),))


def _origin(subject: Subject) -> Chapter | None:
    """Name the digests and versions that the figures belong to."""
    report = subject.report
    model, accuracy = report.get("model", {}), subject.accuracy or {}
    data = accuracy.get("eval_set", model.get("eval_set"))
    digests = {
        "Integer graph": model.get("graph_sha256") or report.get("graph_sha256"),
        "weights.h5": model.get("weights_sha256"),
        "Frames of the evaluation": data.get("digest") if isinstance(data, dict) else None,
    }
    known = tuple((Cell(what), Cell(str(digest))) for what, digest in digests.items() if digest)
    if not known:
        return None
    parts: list[Any] = [Table(("SHA-256 of", "Digest"), known)]
    found: dict[tuple[str, str], list[str]] = {("hw-amc", __version__): ["this page"]}
    for name, versions in _versions(report):
        for program in versions.items():
            found.setdefault(program, []).append(name)
    rows = [(*map(Cell, program), Cell(", ".join(runs))) for program, runs in sorted(found.items())]
    parts.append(Table(("Program", "Version", "Of the runs"), tuple(rows)))
    return Chapter("Versions and digests", tuple(parts))


def _versions(item: Report, path: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each run that says with which versions it ran; a step by its name alone."""
    for key, value in item.items():
        if key == "versions":
            yield path.removeprefix("steps."), value
        elif isinstance(value, dict):
            yield from _versions(value, f"{path}.{key}" if path else key)


def _files(subject: Subject) -> Chapter | None:
    if not subject.files:
        return None
    rows = tuple((Cell(path.removeprefix("../"), href=path), Cell(what)) for what, path in subject.files)
    return Chapter("Files", (Table(("File", "What it is"), rows),))
