"""Lines and toggles of the hand-written Verilog that benches reach, counted by Verilator.

`python tests/rtl_coverage.py --out docs/results/coverage.json` (`make coverage`) simulates small cores with idle times
and back-pressure and adds up what Verilator counted: a line (or branch) is covered if it ran, a toggle if the bit went
that way, in any instance. Emitted files are left out: their matrices are adders of constants.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from networks import gru_cnn_graph, random_frames
from rtl_bench import Traffic, compile_bench, core_samples

from hw_amc.config import RtlSettings
from hw_amc.graph import golden
from hw_amc.rtl import build_core

#: Cores of the tests' small network: a parallel one, a digit-serial one, channels in turn.
CORES = {
    "R = 1": RtlSettings(contexts=3),
    "R = 6": RtlSettings(cycles_per_step=6, contexts=2),
    "channels": RtlSettings(cycles_per_step=6, mode="channels", contexts=3, n_channels=3),
}
#: Kinds of points, as Verilator names their pages.
KINDS = {"line": "lines", "branch": "lines", "toggle": "toggles"}


def points(text: str) -> Iterator[tuple[str, str, str, int]]:
    """(file, kind, place, count) of each point in Verilator's coverage.dat."""
    for key, count in re.findall(r"^C '(.*)' (\d+)$", text, re.M):
        fields = dict(item.split("\x02", 1) for item in key.split("\x01") if "\x02" in item)
        kind = KINDS.get(fields.get("page", "").split("/")[0].removeprefix("v_"))
        if kind:
            place = f"{fields.get('l')}:{fields.get('n')}:{fields.get('o')}"
            yield Path(fields["f"]).name, kind, place, int(count)


def _simulate(name: str, settings: RtlSettings, folder: Path) -> str:
    """Coverage of one core's bench; its logits are golden's."""
    graph = gru_cnn_graph(np.random.default_rng(0), frame_len=8, cells=2, filters=(2, 3), sparsity=0.2)
    core = build_core(graph, settings)
    raw = random_frames(np.random.default_rng(5), graph, 24)
    want = golden.run(graph, raw)["head"]
    words = core_samples(graph, raw, core)
    if settings.mode == "channels":
        words = words.reshape(-1, core.contexts, core.frame_len).swapaxes(1, 2)
    traffic = Traffic(busy=0.7, ready=0.3)
    found = compile_bench(core, words.reshape(-1), want.size, folder, traffic, "coverage")
    assert found.run().words == want.reshape(-1).tolist(), name
    return (folder / "coverage.dat").read_text(encoding="latin-1")


def add_up(texts: list[str]) -> dict[str, dict[str, Any]]:
    """Covered points, all points and the lines that nothing reached, of each hand-written file."""
    counts: dict[tuple[str, str, str], int] = {}
    for text in texts:
        for file, kind, place, count in points(text):
            if file.startswith("amc_"):
                counts[file, kind, place] = counts.get((file, kind, place), 0) + count
    files: dict[str, dict[str, Any]] = {}
    for (file, kind, place), count in sorted(counts.items()):
        row = files.setdefault(file, {}).setdefault(kind, {"covered": 0, "all": 0})
        row["all"] += 1
        row["covered"] += count > 0
        if not count and kind == "lines":
            row.setdefault("missed", []).append(place)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hw_amc_coverage_") as folder:
        texts = [_simulate(name, settings, Path(folder) / str(i)) for i, (name, settings) in enumerate(CORES.items())]
    files = add_up(texts)
    total = {
        kind: [sum(row[kind][part] for row in files.values() if kind in row) for part in ("covered", "all")]
        for kind in ("lines", "toggles")
    }
    for file, row in files.items():
        print(file, *(f"{kind} {row[kind]['covered']}/{row[kind]['all']}" for kind in row))
    print("in all", *(f"{kind} {covered}/{every}" for kind, (covered, every) in total.items()))
    if chosen.out:
        facts = {"date": f"{date.today()}", "kind": "measured", "cores": list(CORES), "in_all": total, "files": files}
        chosen.out.write_text(json.dumps({"schema": 1, "coverage": facts}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
