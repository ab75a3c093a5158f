"""Memory while a set is written: bounded by blocks of frames, not by the set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WRITE = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from hw_amc.radio import load_recipe, make_dataset

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

if __name__ == "__main__":
    recipe = replace(load_recipe("awgn"), name="memory", rrc_span=2)
    folder = Path(sys.argv[1])
    for name, frames in (("small", 1024), ("large", 5120)):
        make_dataset(folder / f"{name}.h5", recipe, frames, ["BPSK"], [10], workers=1)
        print(peak_mib(), (folder / f"{name}.h5").stat().st_size / 2**20)
"""


def test_a_set_of_five_times_the_size_takes_no_more_memory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITE, tmp_path], capture_output=True, text=True, check=True)
    small, large = ([float(word) for word in line.split()] for line in done.stdout.splitlines())
    assert large[1] - small[1] > 30
    assert large[0] - small[0] < 12
