"""Memory and rate while `hw-amc data make` writes a large set: does memory grow with the set?

    python benchmarks/bench_dataset.py --frames 1603 --folder /tmp      # 1,000,272 frames: 8.4 GB for some minutes

Every few seconds: frames written, frames/s since the line before, resident memory of the command and of its workers.
The last lines compare the highest of every tenth of the run. The set is deleted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hw_amc.radio import load_recipe


@dataclass(frozen=True)
class Sample:
    """What was seen at one time."""

    seconds: float
    frames: int
    #: Resident memory of the command and of all its workers together, MiB.
    parent_mib: float
    workers_mib: float


def resident_mib(process: int) -> float:
    """Resident memory of a process; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def children(process: int) -> list[int]:
    """Processes that a process has started."""
    try:
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def written(part: Path) -> int:
    """Frames that are safe on the disk."""
    try:
        return int(json.loads((part / "progress.json").read_text())["rows"])
    except OSError:
        return 0


def watch(process: subprocess.Popen[bytes], part: Path, every: float) -> list[Sample]:
    """Look at a running command every few seconds, and print what is seen."""
    began, samples = time.monotonic(), [Sample(0, 0, 0, 0)]
    while process.poll() is None:
        time.sleep(every)
        workers = sum(map(resident_mib, children(process.pid)))
        sample = Sample(time.monotonic() - began, written(part), resident_mib(process.pid), workers)
        if not sample.parent_mib or not part.exists():
            continue
        rate = (sample.frames - samples[-1].frames) / (sample.seconds - samples[-1].seconds)
        print(
            f"{sample.seconds:6.0f} s  {sample.frames:9,} frames  {rate:6,.0f} frames/s  "
            f"command {sample.parent_mib:5.0f} MiB  workers {sample.workers_mib:5.0f} MiB",
            flush=True,
        )
        samples.append(sample)
    return samples[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="radioml2018")
    parser.add_argument("--frames", type=int, default=1603, help="frames of each class and SNR")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument(
        "--folder", type=Path, help="where the set is written; the system's temporary folder by default"
    )
    options = parser.parse_args()
    classes = load_recipe(options.preset).classes
    total = options.frames * len(classes) * len(classes.snrs_db)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        words = ("data", "make", f"{folder}/set.h5", "--preset", options.preset, "--frames", str(options.frames))
        command = [sys.executable, "-m", "hw_amc", *words, "--workers", str(options.workers)]
        began = time.monotonic()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            samples = watch(process, Path(folder) / ".set.h5.part", options.every)
        if process.returncode or not (Path(folder) / "set.h5").exists():
            raise SystemExit(f"the command failed with exit code {process.returncode}; run it by itself: {command}")
        seconds, size = time.monotonic() - began, (Path(folder) / "set.h5").stat().st_size
    print(f"{total:,} frames, {size / 1e9:.2f} GB in {seconds:,.0f} s: {total / seconds:,.0f} frames/s")
    for tenth in range(10):
        seen = [s for s in samples if tenth * total <= 10 * min(s.frames, total - 1) < (tenth + 1) * total]
        if seen:
            parent, workers = max(s.parent_mib for s in seen), max(s.workers_mib for s in seen)
            print(f"tenth {tenth + 1:2}: at most {parent:.0f} MiB in the command, {workers:.0f} MiB in its workers")


if __name__ == "__main__":
    main()
