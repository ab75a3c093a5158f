"""`accuracy.json` and `MODEL_CARD.md`: what a trained model's folder says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.compress import load_deployed
from hw_amc.compress.build import formats_of, input_format_of
from hw_amc.files import file_digest, load_json, write_text
from hw_amc.models.network import Classes, NetworkSpec
from hw_amc.radio.gains import GainAccuracy
from hw_amc.train.evaluate import (
    accuracy_report,
    count_weights,
    evaluate,
    float_accuracy,
    predict,
    saturation,
    write_accuracy,
)
from hw_amc.train.gains import gain_accuracy
from hw_amc.train.predictions import Predictions, save_predictions
from hw_amc.train.recipe import TrainRecipe
from hw_amc.train.sets import beside, load_test_set

#: Frames over which saturation is counted.
SATURATION_FRAMES = 512


def measure(spec: NetworkSpec, recipe: TrainRecipe, folder: Path, data_folder: Path) -> dict[str, Any]:
    """Measure a folder's `weights.h5` on the recipe's held-out frames; write `accuracy.json` and `MODEL_CARD.md`.

    Returns
    -------
    What `accuracy.json` holds.

    Raises
    ------
    ConfigError
        The weights are those of another network.
    DataError
        `weights.h5` is missing or damaged.
    Mismatch
        The fast form of the network differs from the deployed one.
    """
    digest = file_digest(folder / "weights.h5")
    model = load_deployed(folder / "weights.h5")
    frames, eval_set = load_test_set(recipe.data, data_folder, spec.classes)
    predictions = predict(model, frames, eval_set, spec.classes)
    report = evaluate(predictions, f"hw-amc train {spec.name}", digest)
    if (path := _float_form(recipe, folder)) is not None:
        report["float"] = float_accuracy(path, spec, input_format_of(model), frames)
    if recipe.data.beside:
        others = [load_test_set(data, data_folder, spec.classes) for data in beside(recipe.data)]
        report["beside"] = [_figures(predict(model, *other, spec.classes)) for other in others]
    report["gain_db"] = gain_accuracy(model, frames, spec.classes).to_section()
    write_accuracy(folder / "accuracy.json", report)
    save_predictions(folder, predictions)
    rows = np.linspace(0, len(frames) - 1, min(SATURATION_FRAMES, len(frames))).astype(int)
    summary_path = folder / "checkpoints" / "summary.json"
    facts = {
        "weights": count_weights(model),
        "formats": formats_of(model),
        "saturation": saturation(model, frames, rows),
        "digest": digest,
        "training": load_json(summary_path) if summary_path.exists() else {},
    }
    write_text(folder / "MODEL_CARD.md", card(spec, recipe, report, facts))
    return report


def _figures(predictions: Predictions) -> dict[str, Any]:
    """Accuracy on other frames than those of the recipe: its set, by SNR, averages."""
    report = accuracy_report(predictions)
    return {"eval_set": predictions.eval_set, **{key: report[key] for key in ("accuracy", "average", "at_least_10_db")}}


def _float_form(recipe: TrainRecipe, folder: Path) -> Path | None:
    """Weights that the last stage quantised; None where that stage began with nothing."""
    return folder / "checkpoints" / f"{recipe.stages[-2].name}.npz" if recipe.stages[1:] else recipe.start


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def _kept(path: Path) -> str:
    """Name a kept stage by the folder of its model, with its digest."""
    return f"`{'/'.join(path.parts[-3:])}`, SHA-256 {file_digest(path)}"


def _training(recipe: TrainRecipe, facts: Mapping[str, Any]) -> list[str]:
    rows: list[tuple[Any, ...]] = []
    for stage in recipe.stages:
        for number, phase in enumerate(stage.phases, 1):
            target = f"{stage.sparsity:g}" if stage.kind == "prune" else ""
            taken = facts["training"].get("steps", {}).get(stage.name, [])[number - 1 : number] or [phase.steps]
            steps = phase.steps if taken[0] == phase.steps else f"{taken[0]} of {phase.steps}"
            rows.append((f"{stage.name} {number}", stage.kind, target, phase.crop, phase.batch, steps,
                         f"{phase.learning_rate:g}"))  # fmt: skip
    head = ("stage, phase", "kind", "sparsity", "samples a frame", "frames a step", "steps", "learning rate")
    lines = ["## Training", "", f"Recipe: `train.toml`, SHA-256 {recipe.digest}, seed {recipe.seed}.", ""]
    if recipe.start is not None:
        lines += [f"Begins with {_kept(recipe.start)}.", ""]
    lines += _table(head, rows)
    taught: dict[Path, list[str]] = {}
    for stage in recipe.stages:
        if stage.teacher is not None:
            taught.setdefault(stage.teacher, []).append(f"{stage.name} (share {stage.teacher_share:g})")
    lines += [line for path, names in taught.items() for line in ("", f"Teacher of {', '.join(names)}: {_kept(path)}.")]
    if "seconds" in facts["training"]:
        lines += ["", f"Wall-clock time: {facts['training']['seconds'] / 3600:.2f} hours (measured)."]
    if "clipped_weights" in facts["training"]:
        clipped = facts["training"]["clipped_weights"]
        lines += ["", "Float master weights that their formats clipped when saved: "
                  + ", ".join(f"{name} {count}" for name, count in clipped.items()) + "."]  # fmt: skip
    return lines


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.2f} %"


def _source(eval_set: Mapping[str, Any]) -> str:
    return f"recipe `{eval_set['recipe']}`" if "recipe" in eval_set else f"file `{eval_set['file']}`"


def _accuracy(report: Mapping[str, Any], heads: Sequence[str]) -> list[str]:
    data, parts = report["eval_set"], [report, *report.get("heads", [])]
    rows = [(snr, *(f"{100 * part['accuracy'][snr]:.2f}" for part in parts)) for snr in report["accuracy"]]
    names = [f"{name} %" for name in ["top-1 accuracy,", *(f"{name}," for name in heads)][: len(parts)]]
    several = " A frame is right when all heads are." if len(parts) > 1 else ""
    return [
        "## Accuracy",
        "",
        f"Measured on the deployed network, {data['frames']} held-out frames (split {data['split']}) of "
        f"{_source(data)}, digest {data['digest']}; frames of each class and SNR: "
        f"{data['frames_per_class_and_snr_db']}.{several}",
        "",
        *_table(("SNR, dB", *names), rows),
        "",
        *(
            f"Average over all SNRs{of}: {100 * part['average']:.2f} %. From 10 dB: {_percent(part['at_least_10_db'])}."
            for of, part in zip(["", *(f", {name}" for name in heads)], parts, strict=False)
        ),
        *_float_accuracy(report),
    ]


def _float_accuracy(report: Mapping[str, Any]) -> list[str]:
    if "float" not in report:
        return []
    before = report["float"]
    figures = f"{_percent(before['average'])} on average, {_percent(before['at_least_10_db'])} from 10 dB"
    return ["", f"The float network that was quantised, `{before['checkpoint']}`, on the same frames: {figures}."]


def _beside(report: Mapping[str, Any]) -> list[str]:
    """Accuracy on the frames of other recipes, a column each."""
    others = report.get("beside", [])
    if not others:
        return []
    sets = [other["eval_set"] for other in others]
    told = "; ".join(f"{_source(data)}, digest {data['digest']}, {data['frames']} frames" for data in sets)
    rows = [(snr, *(f"{100 * other['accuracy'][snr]:.2f}" for other in others)) for snr in others[0]["accuracy"]]
    averages = ("average", *(f"{100 * other['average']:.2f}" for other in others))
    loud = ("from 10 dB", *(_percent(other["at_least_10_db"]).removesuffix(" %") for other in others))
    head = ("SNR, dB", *(f"{data['recipe']}, %" for data in sets))
    lines = _table(head, [*rows, averages, loud])
    return [
        "## On other frames",
        "",
        f"Measured on held-out frames on which it was not trained: {told}.",
        "",
        *lines,
        "",
    ]


def _level(report: Mapping[str, Any]) -> list[str]:
    return [*GainAccuracy.load(report["gain_db"]).lines(), ""] if "gain_db" in report else []


def confusion(report: Mapping[str, Any], names: Classes) -> list[str]:
    """Write up the confusion matrices of `accuracy.json` as Markdown; no lines where there are none."""
    parts = list(zip(report.get("heads", [report]), names, strict=True))
    if not any(part["confusion"] for part, _ in parts):
        return []
    lines = [
        "## Confusion",
        "",
        "Frames of each class, a row, by the network's answer: columns in the rows' order.",
        "",
    ]
    for part, head in parts:
        for snr_db, matrix in part["confusion"].items():
            width = 1 + max(len(str(count)) for row in matrix for count in row)
            rows = ("".join(f"{count or '.':>{width}}" for count in row) for row in matrix)
            longest = max(map(len, head))
            named = (f"{name:<{longest}}{row}" for name, row in zip(head, rows, strict=True))
            lines += [f"At {snr_db} dB:", "", "```", *named, "```", ""]
    return lines


def _network(spec: NetworkSpec, facts: Mapping[str, Any]) -> list[str]:
    counts = facts["weights"]
    rows = [
        ("parameters", spec.parameters, counts["parameters"]),
        ("nonzero parameters", spec.nonzeros, counts["nonzeros"]),
        ("kernel weights", spec.kernel_weights, counts["kernel_weights"]),
        ("nonzero kernel weights", spec.kernel_nonzeros, counts["kernel_nonzeros"]),
    ]
    formats = [(layer, ", ".join(f"{k} {v}" for k, v in fields.items())) for layer, fields in facts["formats"].items()]
    rates = [(layer, f"{rate:.4f}") for layer, rate in facts["saturation"].items()]
    return [
        "## Network", "",
        f"Published = the float network of {spec.source} by formula; deployed = counted in `weights.h5`, where",
        "batch normalisation is folded away or is a scale and a bias, and a weight rounded to 0 counts as zero.", "",
        *_table(("", "published", "deployed"), rows), "",
        *_table(("layer", "format (int = bits left of the point without the sign)"), formats), "",
        f"Values at an end of their format, percent, over {SATURATION_FRAMES} frames (measured):", "",
        *_table(("layer", "saturated, %"), rates),
    ]  # fmt: skip


def _limits(eval_set: Mapping[str, Any]) -> str:
    if "file" in eval_set:
        return f"Trained and measured on frames of {_source(eval_set)} only."
    return (
        "Trained and measured on generated frames only, whose channel is that of the recipe. No accuracy on the "
        "RadioML 2018.01A recordings has been measured."
    )


def card(spec: NetworkSpec, recipe: TrainRecipe, report: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Write up a trained model as Markdown."""
    classes = " + ".join(map(str, spec.outputs))
    lines = [
        f"# {spec.name}", "",
        f"{spec.summary[0].upper()}{spec.summary[1:]}, kernel sparsity {spec.sparsity:g}, {classes} classes, frames of "
        f"{spec.frame[0]} I/Q samples. Output: logits.", "",
        f"`weights.h5`: SHA-256 {facts['digest']}. Command: `{report['command']}`, {report['date']}.", "",
        *_accuracy(report, spec.head_names), "", *_beside(report), *_level(report), *confusion(report, spec.classes),
        *_network(spec, facts), "",
        *_training(recipe, facts), "",
        "## Limits", "",
        _limits(report["eval_set"]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
