"""hls4ml's writer of our back ends: the project of `hls.project`, and what hls4ml's own calls need beside it."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]  # it comes with hls4ml
from hls4ml.writer.writers import Writer as Hls4mlWriter

from hw_amc.hls import project
from hw_amc.hls.host import bridge
from hw_amc.hls.project import Bench
from hw_amc.sources import Sources
from hw_amc.verify.keras import KerasReference

#: Frames of the test bench where a script gives none.
BENCH_FRAMES = 2


class Writer(Hls4mlWriter):  # type: ignore[misc]
    """Writes a project that hls4ml's `compile`, `predict`, `trace`, `build` and report find their way in."""

    def write_hls(self, model: Any) -> None:
        """Write the project into the output folder."""
        config = model.config
        folder = Path(config.get_output_dir())
        given = model.hw_amc
        if not hasattr(model, "hw_amc_bench"):
            model.hw_amc_bench = _bench(model)
        sources = project.from_network(model, given.graph, given.target, model.hw_amc_bench)
        name = config.get_project_name()
        files = {
            **sources.files,
            "bridge.cpp": bridge.source(model, given.graph, name),
            "build_lib.sh": bridge.build_script(name, config.get_config_value("Stamp")),
            "hls4ml_config.yml": _yaml(config.config),
        }
        Sources(files).write(folder)
        (folder / "build_lib.sh").chmod(0o755)
        if config.get_writer_config().get("WriteTar"):
            with tarfile.open(f"{folder}.tar.gz", "w:gz") as archive:
                archive.add(folder, arcname="")


def _bench(model: Any) -> Bench:
    """Frames and what Keras makes of them: the script's `input_data_tb`, or random words."""
    graph = model.hw_amc.graph
    given = model.config.get_config_value("InputData")
    if given:
        values = np.asarray(np.load(given, allow_pickle=False), np.float64).reshape(-1, *graph.input.shape)
        wire = graph.input.fmt.to_raw(values)
    else:
        low, high = graph.input.fmt.min_raw, graph.input.fmt.max_raw
        wire = np.random.default_rng(0).integers(low, high + 1, (BENCH_FRAMES, *graph.input.shape))
    reference = KerasReference(model.config.get_config_value("KerasModel"), graph)
    return Bench(wire.astype(np.int32), reference.run(wire.astype(np.int32), list(graph.outputs)))


def _yaml(config: dict[str, Any]) -> str:
    """Configuration as hls4ml reads it back, without the objects that only this process has."""
    plain = {key: _plain(value) for key, value in config.items() if key not in ("KerasModel", "HwAmc")}
    return str(yaml.safe_dump(plain))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)
