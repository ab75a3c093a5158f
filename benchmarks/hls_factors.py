"""C simulation at several reuse factors, for each tool: python benchmarks/hls_factors.py MODEL FACTOR... --json FILE.

Every layer takes its largest legal factor up to each. Held-out frames are simulated, the first of them with the
synthesizable types (ap_fixed), all with native ones, and every integer of every layer must be Keras'. The tools'
projects differ in pragmas, which g++ does not read: where the rest of the text is the same, which is required, one run
stands for both. FILE keeps what earlier runs found, part by part: a run that was stopped, or whose time was up, goes on
behind the frames that are done, as long as the program, the frames and Keras' integers are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from hw_amc import hls
from hw_amc.config import LayerHls
from hw_amc.files import write_text
from hw_amc.flows.hls import HlsFlow, HlsOptions
from hw_amc.graph import Graph
from hw_amc.hls import csim
from hw_amc.hls.estimate.whole import legal_reuse_factors
from hw_amc.sources import Sources
from hw_amc.verify.equality import require_equal

COMMAND = "python benchmarks/hls_factors.py"
#: Tools of which one program is simulated; bambu's dialect has checks of its own.
TOOLS = ("Vivado", "Vitis")
#: Frames of the synthesizable types after which what was found is kept; native ones take seconds altogether.
PART = 8
#: g++ compiles the synthesizable types in half the time; they run a little slower, and their integers are the same.
OPTIMISE = "-O1"


def settings_of(graph: Graph, factor: int) -> dict[str, LayerHls]:
    """Every layer with weights, at its largest legal factor up to `factor`."""
    return {
        node.name: LayerHls(reuse_factor=max(each for each in legal_reuse_factors(graph, node) if each <= factor))
        for node in graph.nodes[1:]
        if node.arrays()
    }


def project_of(flow: HlsFlow, backend: str, factor: int) -> Sources:
    """The project for one tool."""
    target = hls.Target(backend, flow.board.part, 1000 / flow.board.clock_mhz, settings_of(flow.graph, factor))
    heads = {name: flow.reference[name][:1] for name in flow.graph.outputs}
    return hls.build_project(flow.deployed, flow.graph, target, flow.stimulus.wire[:1], heads)


def program_of(project: Sources) -> dict[str, str]:
    """What g++ compiles of a project, without pragmas."""
    files = {name: text for name, text in project.files.items() if name.endswith((".h", ".cpp"))}
    common = {name: text for name, text in files.items() if not name.startswith("bambu/")}
    return {name: re.sub(r"^\s*#pragma (HLS|clang).*\n", "", text, flags=re.MULTILINE) for name, text in common.items()}


def prove(
    flow: HlsFlow, factor: int, exact: int, section: dict[str, Any], keep: Callable[[], None], until: float
) -> dict[str, Any]:
    """Simulate at one factor, going on from `section`; raises Mismatch on the first integer that is not Keras'."""
    first, *others = TOOLS
    project = project_of(flow, first, factor)
    for other in others:
        if program_of(project_of(flow, other, factor)) != program_of(project):
            raise SystemExit(f"{other} and {first} compile different programs at factor {factor}")
    proof = proof_of(flow, project)
    if section.get("proof") != proof:
        section.clear()
    section.update({
        "backends": [first, *others],
        "reuse_factors": {name: layer.reuse_factor for name, layer in settings_of(flow.graph, factor).items()},
        "date": date.today().isoformat(),
        "kind": "measured",
        "proof": proof,
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for flavour, count in (("native", flow.frames), ("ap_fixed", exact)):
            if section.get(flavour, {}).get("frames", 0) < count:
                project.write(Path(folder))
                simulate(flow, Path(folder), flavour, count, section, keep, until)
    return section


def proof_of(flow: HlsFlow, project: Sources) -> str:
    """What a proof in parts stands on: SHA-256 of the program, the frames and Keras' integers."""
    digest = hashlib.sha256(json.dumps(program_of(project), sort_keys=True).encode())
    digest.update(flow.stimulus.wire.tobytes())
    for name in sorted(flow.reference):
        digest.update(flow.reference[name].tobytes())
    return digest.hexdigest()


def simulate(
    flow: HlsFlow,
    folder: Path,
    flavour: str,
    count: int,
    section: dict[str, Any],
    keep: Callable[[], None],
    until: float,
) -> None:
    """Simulate the first frames with one build of a written project, part by part, until they or the time is done."""
    simulator = csim.build(folder, flavour)
    run = section.setdefault(flavour, {"frames": 0, "mismatches": 0, "integers": 0})
    run["seconds_compile"] = simulator.seconds_compile
    while run["frames"] < count and time.monotonic() < until:
        part = slice(run["frames"], min(run["frames"] + (PART if flavour == "ap_fixed" else count), count))
        got = simulator.run(flow.stimulus.wire[part], flow.layers)
        wanted = {name: tensor[part] for name, tensor in flow.reference.items()}
        run["integers"] += require_equal(flow.graph, (flow.keras.name, simulator.name), wanted, got)
        run["frames"] = part.stop
        keep()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a folder of hls_projects/")
    parser.add_argument("factors", type=int, nargs="+", help="reuse factors")
    parser.add_argument("--frames", type=int, default=64, help="held-out frames")
    parser.add_argument("--exact", type=int, default=64, help="of these, frames of the synthesizable types")
    parser.add_argument("--json", type=Path, help="file of results, to which these are added")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time after which no part is begun")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    csim.FLAVOURS["ap_fixed"] = (OPTIMISE, *csim.FLAVOURS["ap_fixed"][1:])
    flow = HlsFlow.open(options.model, HlsOptions(frames=options.frames))
    known = json.loads(options.json.read_text()) if options.json and options.json.is_file() else {}
    # What was found of other weights is no proof of these.
    found = known.get("factors", {}) if known.get("graph_sha256") == flow.graph.digest() else {}

    def keep() -> None:
        """Write what is known so far."""
        result = {
            "schema": 1,
            "model": options.model,
            "graph_sha256": flow.graph.digest(),
            "reference": f"Keras ({flow.keras.dtype}), {flow.stimulus.source}",
            "factors": {key: found[key] for key in sorted(found, key=int)},
        }
        if options.json:
            write_text(options.json, json.dumps(result, indent=1) + "\n")

    for factor in options.factors:
        section = found.setdefault(str(factor), {})
        prove(flow, factor, options.exact, section, keep, until)
        section["command"] = f"{COMMAND} {options.model} {factor} --frames {options.frames} --exact {options.exact}"
        for flavour in ("native", "ap_fixed"):
            if flavour in section:
                run = section[flavour]
                print(
                    f"{factor}: {run['integers']:,} integers of {run['frames']} frames equal Keras ({flavour})",
                    flush=True,
                )
        keep()


if __name__ == "__main__":
    main()
