"""C++ of ours under address and undefined-behaviour sanitizers: training kernels, native C-sim, simulation's harness.

Each is compiled with sanitizers here, and then used by a Python that has the sanitizer's run time loaded before all
else. Any report ends that Python with an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell_farm import members
from test_hls_csim import FRAMES, make

from hw_amc import tools
from hw_amc.cosim import library
from hw_amc.cosim.farm import TOP, build_farm
from hw_amc.hls import csim
from hw_amc.train import kernel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g")


def _runtime() -> str | None:
    """The address sanitizer's library, where g++ brings one."""
    if shutil.which("g++") is None:
        return None
    found = tools.run(["g++", "-print-file-name=libasan.so"], Path("/")).strip()
    return found if os.path.isabs(found) else None


needs_sanitizer = pytest.mark.skipif(_runtime() is None, reason="g++ has no address sanitizer here")


def sanitized(program: str, *arguments: object) -> str:
    """What a Python program says that uses sanitized libraries; AssertionError with the first report."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(_runtime()),
        # Python itself leaves memory to the end of the process.
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1:exitcode=99",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


KERNELS = """
import ctypes, sys
import numpy as np
from hw_amc.train import kernel

library = ctypes.CDLL(sys.argv[1])
library.gru_saved_size.restype = ctypes.c_int64
kernel._library = lambda: library
rng = np.random.default_rng(3)
def draw(*shape):
    return rng.normal(size=shape).astype(np.float32)
calls = 0
if "short" in sys.argv:
    size = library.gru_saved_size
    library.gru_saved_size = lambda *arguments: size(*arguments) - 64
shapes = ((1, 1, 1, 1), (1, 3, 2, 5), (7, 2, 3, 17), (16, 9, 2, 16), (33, 4, 2, 40), (18, 5, 1, 50))
for batch, steps, width, cells in shapes:
    for levels in (None, (256.0, 128.0, 128.0)):
        for keep in (False, True):
            weights = draw(width, 3 * cells), draw(cells, 3 * cells), draw(2, 3 * cells)
            x = draw(batch, steps, width)
            h, saved = kernel.forward(x, weights, levels, keep)
            assert h.shape == (batch, steps, cells) and np.isfinite(h).all()
            for want_dx in (False, True) if keep else ():
                found = kernel.backward(x, weights[:2], levels, (h, saved, draw(*h.shape)), want_dx)
                assert all(np.isfinite(array).all() for array in found)
            calls += 1
for rows, channels in ((1, 1), (3, 7), (5, 8), (64, 40), (1000, 17)):
    x = draw(rows, channels)
    sums = kernel.column_sums(x)
    np.testing.assert_allclose(sums[0], x.sum(0), atol=1e-3)
    for steps in (0.0, 128.0):
        y = kernel.affine_relu(x, draw(channels), draw(channels), steps, 1.0)
        assert y.min() >= 0 and y.max() <= 1
        kernel.affine_relu_sums(x, y, draw(*x.shape), 1.0)
        kernel.affine_relu_gradient(x, y, draw(*x.shape), 1.0, (draw(channels), draw(channels), draw(channels)))
        calls += 1
print(calls)
"""


@needs_sanitizer
def test_training_kernels_under_sanitizers(tmp_path: Path) -> None:
    built = tmp_path / "kernels.so"
    tools.run(["g++", *kernel.FLAGS, "-O1", *SANITIZE, *kernel.SOURCES, "-o", built], tmp_path)
    assert sanitized(KERNELS, built) == "34\n"
    # And they see what they are for: an array that is too short.
    with pytest.raises(AssertionError, match="heap-buffer-overflow"):
        sanitized(KERNELS, built, "short")


HARNESS = """
import sys
from pathlib import Path
import numpy as np
from hw_amc.cosim import library, verilated
from hw_amc.cosim.farm import TOP
from hw_amc.cosim.verilated import Event, FastSim
from hw_amc.errors import ToolFailed
from hw_amc.verify.results import golden_logits
from shell_farm import members

verilated.load_library = lambda *arguments: library._load(Path(sys.argv[1]))
rng = np.random.default_rng(7)
compared = 0
for index, item in enumerate(members().values()):
    with FastSim(None, TOP, farm=True) as sim:
        sim.select(index)
        sim.reset()
        n_channels = item.manifest.n_channels
        for idle, stall in ((None, None), ([1, 0, 0], [1, 0]), ([0, 1], [0, 0, 0, 1])):
            frames = item.frames(rng, 6 * n_channels)
            results = sim.run(frames, idle, stall)
            wanted = golden_logits(item.graph, frames, item.manifest.input_shift)
            np.testing.assert_array_equal(results.logits, wanted)
            compared += wanted.size
        # Broken frames, dropped words, no room, and accesses to where nothing is.
        words = rng.integers(0, 2**32, 50, dtype=np.uint64).astype(np.uint32)
        sim.limit_output(3, to_last=True)
        for count in (1, 0, 7, 50):
            sim.push(words[:count], last=True)
            sim.advance(200, stop=Event.LAST)
            sim.drop()
        sim.limit_output(None)
        sim.advance(5000, words=10**6)
        sim.pop(2), sim.pop(0), sim.pop(to_last=True), sim.pop()
        for address in (0, 3, 0xFC, 0xFFC):
            try:
                sim.write_word(address, 0xFFFFFFFF, 0x5)
                sim.read_word(address)
            except ToolFailed:
                pass
        sim.describe()
        sim.mark()
        sim.reset(1)
print(compared)
"""


@needs_sanitizer
@pytest.mark.cosim
def test_the_simulations_harness_under_sanitizers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = library._Build._flags

    def with_sanitizers(build: Any) -> list[str]:
        # Verilator's text takes what follows as one argument of make, so that each flag stands alone.
        sanitize = [part for flag in SANITIZE for part in ("-CFLAGS", flag)]
        return [*flags(build), *sanitize, "-LDFLAGS", SANITIZE[0]]

    monkeypatch.setattr(library._Build, "_flags", with_sanitizers)
    farm = build_farm([item.accelerator for item in members().values()])
    built = library.build_library(farm, TOP, tmp_path, farm=True)
    assert int(sanitized(HARNESS, built)) > 100


SIMULATION = """
import sys
from pathlib import Path
import numpy as np
from hw_amc.hls.csim import CSim

folder, built, known = map(Path, sys.argv[1:4])
with np.load(known) as arrays:
    wanted = dict(arrays)
frames = wanted.pop("wire")
found = CSim(folder, "native", built).run(frames, list(wanted), workers=1)
for name, tensor in wanted.items():
    np.testing.assert_array_equal(found[name], tensor)
print(sum(tensor.size for tensor in wanted.values()))
"""


@needs_sanitizer
@pytest.mark.parametrize("fill", ["random", "alternating"])
def test_the_native_simulation_under_sanitizers(tmp_path: Path, fill: str) -> None:
    case = make(tmp_path, fill)
    built = tmp_path / "native.so"
    flags = [flag for flag in csim.FLAVOURS["native"] if flag != "-O3"]
    tools.run(["g++", "-O1", *flags, *csim.COMMON, *SANITIZE, csim.SOURCE, "-o", built], case.folder)
    built.with_suffix(csim.SECONDS).write_text("0")
    np.savez(tmp_path / "known.npz", wire=FRAMES, **case.tensors)
    said = sanitized(SIMULATION, case.folder, built, tmp_path / "known.npz")
    assert int(said) == sum(tensor.size for tensor in case.tensors.values()) > 1000
