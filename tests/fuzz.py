"""Gives every reader of files wrong ones: each value by each wrong value, then small valid files with damaged bytes.

`python tests/fuzz.py --seconds 60 --seed 1 --out docs/results/fuzz.json` (`make fuzz`) counts what came of it and keeps
each input that broke a reader in tests/data/fuzz/<reader>; tests/test_fuzz.py reads those again, and a bounded slice
of the same inputs. A reader may answer with a result or with an error of the package; anything else is a finding: a
foreign exception, 5 seconds, or (run as a program) 1 GB more than the process began with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import h5py
import numpy as np
import scipy.io.wavfile
from networks import gru_cnn_graph

from hw_amc.config import BoardSettings, load_project, load_settings
from hw_amc.errors import HwAmcError
from hw_amc.graph import Graph
from hw_amc.interface.manifest import Head, Manifest
from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.readers import open_frames
from hw_amc.report import store
from hw_amc.report.evaluation import load_accuracy
from hw_amc.train.recipe import load_recipe_file

ROOT = Path(__file__).parents[1]
FOUND = Path(__file__).parent / "data" / "fuzz"
LONGEST_S = 5.0
MEMORY = 1 << 30

#: What stands for every value of a JSON file in turn.
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, -1e308, "", "x", "../..", "\0", "[red]\x1b[2J", "\ud800",
    "9" * 5000, [], [None], [[]], {}, {"": None}, [1, "a"], float("nan"), float("inf"),
)  # fmt: skip
#: The same as TOML, where a line gives a key its value.
WRONG_TOML = (
    "true", "-1", "0", "1", "2147483648", "9223372036854775807", "9" * 5000, "0.5", "-1e308", "nan", "inf", '""', '"x"',
    '"../.."', r'"\u0000"', r'"[red]\u001b[2J"', "[]", "[[]]", "{}", "{x = 1}", '[1, "a"]', "1979-05-27", "[" * 200, "",
)  # fmt: skip


class Hang(BaseException):
    """A reader took longer than it may; no Exception, so that none of the package's handlers swallows it."""


@dataclass(frozen=True)
class Target:
    """One reader: the file it reads, how a valid one is made, and reading it."""

    name: str
    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]


def read_frames(path: Path) -> None:
    options = CaptureOptions(frame_len=16)
    if path.suffix in (".npy", ".wav", ".iq"):
        options = CaptureOptions(
            frame_len=16, label="BPSK", snr_db=0, samples="float32" if path.suffix == ".iq" else None
        )
    with open_frames(path, options) as frames:
        count = len(frames)
        _ = frames.attributes, frames.index, frames.classes
        frames.read(np.arange(min(count, 4)))
        if count <= 1000 and frames.frame_len <= 4096:
            _ = frames.origins


def frames(count: int = 8) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(1).normal(size=(count, 16, 2)).astype(np.float32)


def make_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({("BPSK", 0): frames().swapaxes(1, 2), ("QPSK", 2): frames().swapaxes(1, 2)}, 2))


def make_hdf5(path: Path) -> None:
    with h5py.File(path, "w", track_order=False) as file:
        file["X"], file["Z"] = frames(), np.zeros((8, 1), np.int64)
        file["Y"] = np.eye(24, dtype=np.int64)[:8]


def make_sigmf(path: Path) -> None:
    frames().tofile(path.with_suffix(".sigmf-data"))
    path.write_text(json.dumps({
        "global": {"core:datatype": "cf32_le", "core:sample_rate": 1e6, "core:version": "1.0.0"},
        "captures": [{"core:sample_start": 0, "core:frequency": 1e9}],
        "annotations": [{"core:sample_start": 0, "core:sample_count": 64, "core:label": "BPSK"}],
    }))  # fmt: skip


def make_manifest(path: Path) -> None:
    manifest = Manifest(
        name="net", graph_digest="ab" * 32, project_digest="cd" * 32, flow="rtl", interface=65536, frame_len=1024,
        wire_frac=14, normalise="rms", input_shift=-2, input_bits=8, input_frac=6, heads=(Head("a", ("x", "y")),),
        logit_frac=17, mode="channels", contexts=4, n_channels=4, lanes=1, cycles_per_frame=10240, latency_cycles=None,
        board="pynq-z2", part="xc7z020clg400-1", clock_mhz=125.0,
    )  # fmt: skip
    path.write_text(manifest.to_json())


def make_report(path: Path) -> None:
    run = {"frames": 2, "mismatches": 0, "frames_per_s": 9.5, "command": "c", "kind": "measured"}
    path.write_text(json.dumps({"schema": 1, "golden": run, "csim": {"native": run}}))


def copy(source: str) -> Callable[[Path], object]:
    return lambda path: shutil.copy(ROOT / source, path)


def make_graph(path: Path) -> None:
    gru_cnn_graph(np.random.default_rng(1)).save(path.parent)


TARGETS = (
    Target("train.toml", "train.toml", copy("hls_projects/gru_cnn_sparse07/train.toml"), load_recipe_file),
    Target("project.toml", "project.toml", copy("hls_projects/gru_cnn_sparse07/project.toml"),
           lambda path: load_project(path.parent)),
    Target("board.toml", "board.toml", copy("boards/pynq-z2/board.toml"),
           lambda path: load_settings(path, BoardSettings)),
    Target("accuracy.json", "accuracy.json", copy("hls_projects/gru_cnn_sparse07/accuracy.json"),
           lambda path: load_accuracy(path.parent)),
    Target("manifest.json", "manifest.json", make_manifest, Manifest.load),
    Target("report.json", "report.json", make_report, lambda path: store.load(path.parent)),
    Target("graph.json", "graph.json", make_graph, lambda path: Graph.load(path.parent)),
    Target("graph.npz", "graph.npz", make_graph, lambda path: Graph.load(path.parent)),
    Target("npy", "a.npy", lambda path: np.save(path, frames()), read_frames),
    Target("pickle", "a.pkl", make_pickle, read_frames),
    Target("hdf5", "a.hdf5", make_hdf5, read_frames),
    Target("sigmf", "a.sigmf-meta", make_sigmf, read_frames),
    Target("wav", "a.wav", lambda path: scipy.io.wavfile.write(path, 48000, frames().reshape(-1, 2)), read_frames),
    Target("raw", "a.iq", lambda path: frames().tofile(path), read_frames),
)  # fmt: skip


def leaves(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of parsed JSON stands."""
    yield at
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from leaves(value, (*at, key))


def replaced(data: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    changed = dict(data) if isinstance(data, dict) else list(data)
    changed[at[0]] = replaced(data[at[0]], at[1:], value)
    return changed


def structured(target: Target, valid: bytes) -> Iterator[bytes]:
    """Each value by each wrong value, of a JSON or TOML file; nothing of others."""
    if target.file.endswith(".toml"):
        lines = valid.decode().splitlines()
        for number, line in enumerate(lines):
            key, equals, _ = line.partition("=")
            for value in WRONG_TOML if equals and not line.startswith("#") else ():
                yield "\n".join([*lines[:number], f"{key}= {value}", *lines[number + 1 :]]).encode()
    elif target.file.endswith((".json", ".sigmf-meta")):
        data = json.loads(valid)
        for at in leaves(data):
            yield from (json.dumps(replaced(data, at, value)).encode() for value in WRONG)


def mutated(valid: bytes, seed: int) -> Iterator[bytes]:
    """Damage a valid file without end: bytes changed, cut out, doubled, put in; the seed decides all of it."""
    rng = np.random.default_rng(seed)
    special = (b"\0", b"\xff", b"\xff" * 4, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"-", b"9" * 20, b"[", b'"', b"\n")
    while True:
        data = bytearray(valid)
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(len(data) + 1))
            span = int(rng.integers(1, 17))
            what = rng.integers(5)
            if what == 0 and at < len(data):
                data[at] ^= 1 << int(rng.integers(8))
            elif what == 1:
                data[at : at + span] = special[rng.integers(len(special))]
            elif what == 2:
                del data[at : at + (span if rng.integers(4) else len(data))]
            elif what == 3:
                data[at:at] = data[at : at + span]
            else:
                data[at : at + span] = rng.bytes(span)
        yield bytes(data)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _raised_at(error: BaseException) -> str:
    """The package's last line on the way to an error: findings of one line are one finding."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "hw_amc" in Path(frame.filename).parts]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"


def outcome(target: Target, path: Path) -> str:
    """Read a file: "read", "refused", or the finding in one line."""
    try:
        with warnings.catch_warnings(), limited(LONGEST_S):
            warnings.simplefilter("ignore")
            target.read(path)
    except HwAmcError as error:
        return "refused" if "\n" not in str(error) else f"a message of two lines: {error!s}"[:200]
    except (Exception, Hang) as error:
        return f"{type(error).__name__} at {_raised_at(error)}: {error}".replace("\n", " ")[:200]
    return "read"


def inputs(target: Target, folder: Path, seed: int) -> Iterator[bytes]:
    """Make the valid file in `folder` and give what it is replaced by."""
    path = folder / target.file
    target.make(path)
    valid = path.read_bytes()
    if outcome(target, path) != "read":
        raise AssertionError(f"{target.name}: the valid file is not read: {outcome(target, path)}")
    yield from structured(target, valid)
    yield from mutated(valid, seed)


def fuzz(target: Target, seed: int, seconds: float, most: int = sys.maxsize) -> tuple[Counter[str], dict[str, bytes]]:
    """Feed a reader until the time or the number is over: (how often each outcome came, one input a finding)."""
    counts: Counter[str] = Counter()
    found: dict[str, bytes] = {}
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / target.file
        for number, data in enumerate(inputs(target, Path(folder), seed)):
            if number >= most or (number and time.monotonic() > end):
                break
            path.write_bytes(data)
            said = outcome(target, path)
            counts[said if said in ("read", "refused") else "findings"] += 1
            if said not in ("read", "refused"):
                found.setdefault(said.partition(": ")[0], data)
    return counts, found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0, help="for each reader")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", nargs="*", default=[target.name for target in TARGETS])
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    readers: dict[str, Any] = {}
    for target in (target for target in TARGETS if target.name in given.only):
        counts, found = fuzz(target, given.seed, given.seconds)
        for said, data in found.items():
            kept = FOUND / target.name / hashlib.sha256(data).hexdigest()[:16]
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            print(f"{target.name}: {said} ({kept.name})")
        readers[target.name] = {"inputs": counts.total()} | {
            key: counts[key] for key in ("read", "refused", "findings")
        }
        print(target.name, readers[target.name], flush=True)
    said = {
        "date": str(date.today()),
        "command": " ".join(["python", "tests/fuzz.py", *sys.argv[1:]]),
        "kind": "measured",
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if given.out:
        given.out.write_text(
            json.dumps(
                {"schema": 1, "fuzz": said | {"seed": given.seed, "peak_kib": peak, "readers": readers}}, indent=2
            )
            + "\n"
        )
    return int(any(reader["findings"] for reader in readers.values()))


if __name__ == "__main__":
    sys.exit(main())
