"""Builds a design for cocotb, or runs a bench module: `python -m hw_amc.cosim.cocotb_runner build|test job.json`.

A process of its own, because the simulators want an environment that this one should not have, and cocotb's runner
ends the process when a simulator fails. `hw_amc.cosim.bench` starts it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from cocotb_tools.runner import VerilatorControlFile, get_runner

#: Only the top's ports are driven and read: the rest of the design may be optimised.
_PUBLIC = '`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n'
_SPLIT = ["--output-split", "10000", "--output-split-cfuncs", "1000"]
VERILATOR_ARGS = ["--no-public-flat-rw", "-O3", "-Wno-fatal", *_SPLIT]


@dataclass(frozen=True)
class Job:
    """What to build and run; paths are absolute."""

    simulator: str
    sources: list[str]
    top: str
    #: Bench module, and the folder it lies in.
    module: str
    bench_folder: str
    build_folder: str
    results: str
    #: Macros.
    defines: dict[str, int]
    #: Regular expression over test names.
    tests: str | None
    seed: int
    waves: bool
    #: Variables for the bench.
    variables: dict[str, str]

    def save(self, path: Path) -> None:
        """Write the job as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def build(job: Job) -> None:
    """Compile the sources into the build folder."""
    folder = Path(job.build_folder)
    sources: list[str | VerilatorControlFile] = list(job.sources)
    arguments: list[str] = []
    if job.simulator == "verilator":
        control = folder / "public.vlt"
        control.parent.mkdir(parents=True, exist_ok=True)
        control.write_text(_PUBLIC.format(top=job.top), encoding="utf-8")
        sources.insert(0, VerilatorControlFile(control))
        arguments = [*VERILATOR_ARGS, *(["--trace-fst"] if job.waves else [])]
    get_runner(job.simulator).build(
        sources=sources,
        hdl_toplevel=job.top,
        build_dir=folder,
        build_args=arguments,
        defines=job.defines,
        timescale=("1ns", "1ps"),
        waves=job.waves,
    )


def test(job: Job) -> None:
    """Simulate what `build` left; results go to `job.results` as JUnit XML, waveforms beside them."""
    sys.path.insert(0, job.bench_folder)
    folder = Path(job.results).parent
    waves = [f"+dumpfile_path={folder / job.top}.fst"] if job.waves and job.simulator == "icarus" else []
    get_runner(job.simulator).test(
        test_module=job.module,
        hdl_toplevel=job.top,
        hdl_toplevel_lang="verilog",
        build_dir=job.build_folder,
        test_dir=folder,
        results_xml=job.results,
        test_filter=job.tests,
        seed=job.seed,
        extra_env=job.variables,
        plusargs=waves,
        waves=job.waves,
    )


if __name__ == "__main__":
    phase = {"build": build, "test": test}[sys.argv[1]]
    phase(Job(**json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
