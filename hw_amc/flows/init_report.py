"""What `hw-amc init` measured, as a section of report.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw_amc import report
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import file_digest, load_json
from hw_amc.flows.init_files import MARK
from hw_amc.flows.init_state import Outcome


def quantisation_section(folder: Path) -> dict[str, Any] | None:
    """Return section `quantisation` by what `init` left in a model's folder, None where that is not of these weights.

    Raises
    ------
    DataError
        The file is damaged.
    """
    path = folder / MARK
    if not path.is_file() or not (folder / "weights.h5").is_file():
        return None
    mark = load_json(path)
    if mark.get("weights_sha256") != file_digest(folder / "weights.h5"):
        return None
    try:
        judged, calibrated = mark["evaluation"], mark["calibration"]
        shares = {
            "accuracy_before": "before",
            "accuracy_untuned": "untuned",
            "accuracy_after": "after",
            "same_answers": "same",
        }
        section = {
            "frames": judged["frames"],
            "source": judged["source"],
            "calibration_frames": calibrated["frames"],
            "calibration": calibrated["source"],
            **{key: judged[name] for key, name in shares.items() if name in judged},
            **({"tuning_steps": mark["tuning"]["steps"]} if "tuning" in mark else {}),
            **{key: mark[key] for key in ("command", "date", "kind")},
        }
        sqnr = {each["layer"]: each["sqnr_db"] for each in mark["layers"] if "sqnr_db" in each}
        section |= {"sqnr_db": sqnr} if sqnr else {}
        report.check_section({"quantisation": section})
    except (KeyError, TypeError, ConfigError) as error:
        raise DataError(f"{path} is damaged: {error}; run hw-amc init again") from None
    return section


def write_report(outcome: Outcome, command: str) -> Path:
    """Merge proof, counts, accuracy and the cost of quantisation into report.json, and write the pages.

    Returns
    -------
    Path of report.html.
    """
    folder, graph = outcome.folder, outcome.graph
    accuracy, _ = report.load_accuracy(folder)
    sections: dict[str, Any] = {"model": report.model_section(graph, accuracy, command), "golden": outcome.golden}
    if (section := quantisation_section(folder)) is not None:
        sections["quantisation"] = section
    report.merge(folder / "build", sections, network=graph.digest())
    _, page = report.write_pages(folder / "build", graph.name, folder)
    return page
