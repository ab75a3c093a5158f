"""Runs the cocotb benches of sim/ on an accelerator, in Verilator or Icarus."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hw_amc import tools
from hw_amc.cache import Cache
from hw_amc.cosim.library import workshop
from hw_amc.cosim.simulators import Simulator, environment, versions
from hw_amc.errors import Mismatch, ToolFailed, ToolMissing
from hw_amc.files import save_npz, write_text
from hw_amc.graph import Graph
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sources import Sources

#: The benches, in the source checkout.
BENCHES = Path(__file__).parents[1] / "shipped" / "sim"
#: Bench that the accelerator's proof runs, and its one test.
MODULE, PROOF = "tb_accelerator", r"\.prove$"

#: Verilator simulates the text that is synthesised; Icarus, which pays for every event, its matrices as statements.
DEFINES: dict[Simulator, dict[str, int]] = {"verilator": {}, "icarus": {"AMC_SIMULATION": 1}}

#: Files that bench and runner hand each other in the run's folder.
CASE, MEASURED, GRAPH = "case.npz", "measured.json", "graph"


@dataclass(frozen=True)
class Case:
    """Frames and the logits that they must give."""

    graph: Graph
    #: (n, T, 2) int16 wire words
    frames: NDArray[np.int16]
    #: (n, classes) golden logits
    expected: NDArray[np.int32]

    def save(self, folder: Path) -> None:
        """Write what the bench reads."""
        save_npz(folder / CASE, {"frames": self.frames, "expected": self.expected}, compressed=False)
        self.graph.save(folder / GRAPH)

    @classmethod
    def load(cls, folder: Path) -> Case:
        """Read what `save` wrote."""
        with np.load(folder / CASE) as arrays:
            return cls(Graph.load(folder / GRAPH), arrays["frames"], arrays["expected"])


@dataclass(frozen=True)
class BenchRun:
    """How to run a bench."""

    simulator: Simulator
    #: Results and waveforms go here; a second run of the same sources builds nothing.
    folder: Path
    #: Regular expression over the bench's tests; None runs all.
    tests: str | None = PROOF
    module: str = MODULE
    #: Write an FST waveform beside the results.
    waves: bool = False
    seed: int = 1
    timeout_s: float | None = None
    benches: Path = BENCHES
    #: Root of the cache that keeps builds.
    cache: Path | None = None


def run(accelerator: Accelerator, case: Case, settings: BenchRun, top: str | None = None) -> dict[str, Any]:
    """Build `accelerator`, run the bench and return what it measured.

    Parameters
    ----------
    accelerator : Accelerator
    case : Case
    settings : BenchRun
    top : str, optional
        Another top module than the manifest's (a farm).

    Returns
    -------
    dict
        Of the test `prove`: frames, mismatches (0), latency_cycles, cycles; start (cycles from the
        end of the reset to the first sample) and ends (from there to each result).

    Raises
    ------
    Mismatch
        A test found a wrong integer or a broken rule; the message is the test's.
    ToolMissing, ToolFailed
        The simulator is missing, refuses the sources, or ends early.
    """
    folder = settings.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    top = top or accelerator.manifest.name
    log = folder / f"{settings.simulator}.log"
    built = _build(accelerator, settings, top, log)
    write_text(folder / "manifest.json", accelerator.manifest.to_json())
    case.save(folder)
    results = folder / "results.xml"
    for stale in (results, folder / MEASURED):
        stale.unlink(missing_ok=True)
    try:
        _run_phase("test", _job([], settings, top, built, folder), folder, settings, log)
    except ToolFailed as error:
        # A failed test ends the simulator with an error, too; its file says more.
        if not results.is_file():
            raise _explain(error, log) from error
    require_passed(results, settings.simulator)
    measured = folder / MEASURED
    found: dict[str, Any] = json.loads(measured.read_text(encoding="utf-8")) if measured.is_file() else {}
    return found


def _build(accelerator: Accelerator, settings: BenchRun, top: str, log: Path) -> Path:
    """Folder in the cache that holds the compiled design and nothing else."""
    from cocotb_tools import config

    from hw_amc.cosim.cocotb_runner import VERILATOR_ARGS  # needs cocotb, which `hw-amc --help` does not

    names = sorted(name for name in accelerator.sources.files if name.endswith((".v", ".sv")))
    sources = Sources({name: accelerator.sources.files[name] for name in names})
    is_icarus = settings.simulator == "icarus"
    product = "sim.vvp" if is_icarus else top
    made_from = {
        "simulator": settings.simulator,
        **versions(settings.simulator),
        "cocotb": f"{version('cocotb')} in {config.libs_dir}",
        "sources": sources.digest(),
        "top": top,
        "options": " ".join([*VERILATOR_ARGS, *(f"{k}={v}" for k, v in DEFINES[settings.simulator].items())]),
        "waves": str(settings.waves),
    }

    def make(folder: Path) -> None:
        with workshop(folder) as place:
            sources.write(place / "verilog")
            paths = [str(place / "verilog" / name) for name in names]
            try:
                _run_phase("build", _job(paths, settings, top, place / "build", place), place, settings, log)
            except ToolFailed as error:
                raise _explain(error, log) from error
            shutil.copy(place / "build" / product, folder / product)

    return Cache("cocotb", settings.cache).entry(made_from, make)


def _run_phase(phase: str, job: Any, folder: Path, settings: BenchRun, log: Path) -> None:
    """Build or test in a process of its own, in `folder`, in which everything that it leaves lies, too."""
    job.save(folder / "job.json")
    extra = {**environment(settings.simulator), **({"TMPDIR": str(folder)} if phase == "build" else {})}
    args: list[str | Path] = [sys.executable, "-m", "hw_amc.cosim.cocotb_runner", phase, folder / "job.json"]
    tools.run(args, folder, settings.timeout_s, extra, log)


def _explain(error: ToolFailed, log: Path) -> ToolFailed | ToolMissing:
    """Return the error with the compiler's first complaint in place of the last lines."""
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    if "lz4.h" in text or "zlib.h" in text:
        return ToolMissing("Verilator needs two headers to write FST waveforms: apt-get install liblz4-dev zlib1g-dev")
    complaints = [line.strip() for line in text.splitlines() if re.search(r"error\b|%Error", line, re.IGNORECASE)]
    return ToolFailed(f"{complaints[0]} (see {log})") if complaints else error


def _job(sources: list[str], settings: BenchRun, top: str, build_folder: Path, folder: Path) -> Any:
    from hw_amc.cosim.cocotb_runner import Job

    return Job(
        simulator=settings.simulator,
        sources=sources,
        top=top,
        module=settings.module,
        bench_folder=str(settings.benches.resolve()),
        build_folder=str(build_folder),
        results=str(folder / "results.xml"),
        defines=DEFINES[settings.simulator],
        tests=settings.tests,
        seed=settings.seed,
        waves=settings.waves,
        variables={"AMC_CASE": str(folder), "PYTHONWARNINGS": "ignore"},
    )


def require_passed(results: Path, side: str) -> list[str]:
    """Return the names of the tests in a JUnit file; Mismatch with the first failure's message.

    Raises
    ------
    Mismatch
        A test failed.
    ToolFailed
        There is no test in the file, or the file is not whole.
    """
    passed = []
    try:
        root = ElementTree.parse(results).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ToolFailed(f"{side} ended early: {results} is not whole ({error}); see the log beside it") from error
    for case in root.iter("testcase"):
        name = case.get("name", "?")
        trouble = next((part for kind in ("failure", "error") for part in case.iter(kind)), None)
        if trouble is not None:
            message = " ".join((trouble.get("message") or trouble.get("error_msg") or trouble.text or "").split())
            raise Mismatch(f"{side}, bench test {name}: {message or 'failed; see the log beside ' + str(results)}")
        passed.append(name)
    if not passed:
        raise ToolFailed(f"{side} ran no bench test; see the log in {results.parent}")
    return passed
