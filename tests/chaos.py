"""Kills commands at random moments, runs them again, and compares what they leave with an undisturbed run.

`python tests/chaos.py --kills 20 --seed 1` writes what came of it (`make chaos`); tests/test_chaos.py kills each
command twice. A trial works on a copy of one small workspace with an empty cache and a folder for temporary files of
its own: it starts the command, kills it, starts it again at once, and then looks for what the first run left running,
and for every file that an undisturbed run does not leave.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from processes import MARK, wait_until_gone

ROOT = Path(__file__).parents[1]
MODEL = "little"
#: Seconds that a killed command may take to end, and what it started.
END_S = 20.0
#: Before that Python itself starts, and answers signals as it likes.
START_S = 0.15
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
#: What a command may say when it was killed: its exit codes as Python has them, and lines on the standard error.
ANSWERS = {signal.SIGKILL: ({-9}, 0), signal.SIGTERM: ({-15, 143}, 0), signal.SIGINT: ({-2, 130}, 1)}
#: Bars that show how far a command is.
_BAR = re.compile(r" \d+/\d+ [0-9:-]+ *$| \d+% [0-9:-]+ *$")
#: What Python's own helper says when it puts away what a killed process left.
_TRACKER = re.compile(r"resource_tracker|There appear to be %d")
#: Figures that differ from run to run.
_VARIES = re.compile(r"seconds|date|frames_per_s|cycles_per_s|wall_|^(convert|driver)_us|reference")

RECIPE = """
seed = 5
validate_every = 4
validate_frames = 24
checkpoint_every = 2
[data]
recipe = "radioml2018-v1"
train = [[10, 20, 10, 2]]
validation = [[20, 20, 2, 1]]
test = [[10, 10, 2, 1]]
[[stage]]
name = "dense"
kind = "float"
dropout = 0.0
phases = [{ crop = 64, steps = 8, batch = 8, learning_rate = 3e-3, warmup = 1 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 64, steps = 8, batch = 8, warmup = 1 }]
"""


@dataclass(frozen=True)
class Command:
    """A command, what must have run before, and which of its files must be the same after a kill."""

    arguments: tuple[str, ...]
    #: Patterns below the workspace.
    results: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()


_BUILD = f"hls_projects/{MODEL}/build"
_REPORT = f"{_BUILD}/report.json"
COMMANDS = {
    "rtl": Command(("rtl", MODEL), (f"{_BUILD}/rtl/**/*", _REPORT)),
    "hls": Command(("hls", MODEL, "--frames", "4"), (f"{_BUILD}/vitis/**/*.h", f"{_BUILD}/vitis/**/*.cpp", _REPORT)),
    "csim": Command(("csim", MODEL, "--frames", "1000"), (_REPORT,), (("hls", MODEL, "--frames", "4"),)),
    "cosim": Command(("cosim", MODEL, "--frames", "64"), (_REPORT,)),
    "bench": Command(("bench", MODEL, "--frames", "64"), (_REPORT,)),
    "overlay": Command(("overlay", MODEL), (f"{_BUILD}/overlay/**/*", _REPORT)),
    "graph": Command(("graph", MODEL, "--update"), ("hls_projects/*/graph.*",)),
    "report": Command(("report", MODEL), (f"{_BUILD}/report.html", f"{_BUILD}/report.md"), (("rtl", MODEL),)),
    "sim-overlays": Command(("sim-overlays", "gallery", MODEL, "--frames", "16"), ("gallery/**/*",)),
    "data make": Command(
        ("data", "make", "frames.hdf5", "--frames", "40", "--snrs", "0,10", "--workers", "2"), ("frames.hdf5",)
    ),
    "data convert": Command(
        ("data", "convert", "frames.hdf5", "other.hdf5"),
        ("other.hdf5",),
        (("data", "make", "frames.hdf5", "--frames", "300", "--snrs", "0,10", "--workers", "2"),),
    ),
    "train": Command(
        ("train", "gru_cnn_c40"),
        ("hls_projects/gru_cnn_c40/weights.h5", "hls_projects/gru_cnn_c40/graph.*"),
    ),
    "synth": Command(("synth", MODEL), (_REPORT,)),
}


@dataclass
class Outcome:
    """What came of the kills of one command; everything but the first three figures ought to be 0."""

    kills: int = 0
    #: Kills by signal and target.
    by_kind: dict[str, int] = field(default_factory=dict)
    #: The command had ended before the signal came.
    too_late: int = 0
    #: The second run failed.
    failed_again: int = 0
    #: The second run left other results than an undisturbed one.
    other_results: int = 0
    #: Processes of the first run that were there when the second had ended.
    orphans: int = 0
    #: Lock files, and other files that an undisturbed run does not leave, after the second run.
    locks: int = 0
    leftovers: int = 0
    #: Runs that ended with a wrong code, or said more than they may.
    wrong_words: int = 0
    undisturbed_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether no kill cost anything."""
        return not any(
            (self.failed_again, self.other_results, self.orphans, self.locks, self.leftovers, self.wrong_words)
        )


class Place:
    """A workspace at one path, made anew for every trial: results name that path."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.template = folder / "work", folder / "template"
        self.template.mkdir(parents=True)
        prepare(self.template)

    def renew(self, command: Command) -> None:
        """Go back to the workspace in which `command` has not run yet."""
        ready = self.template.with_name("ready-" + "-".join(command.arguments[:2]).replace("/", "-"))
        if not ready.is_dir():
            self._copy(self.template)
            for arguments in command.before:
                code, said = finish(self.start(arguments, ""))
                if code:
                    raise RuntimeError(f"{arguments}: exit code {code}: {said}")
            shutil.copytree(self.folder, ready)
        self._copy(ready)

    def _copy(self, source: Path) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder)

    def start(self, arguments: Sequence[str], mark: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        environment = {
            **os.environ,
            "HW_AMC_ROOT": str(self.folder),
            "HW_AMC_CACHE": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            MARK: mark,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "hw_amc", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def files(self) -> set[str]:
        """Every file and folder, but the cache's entries: their names are digests of what may differ."""
        return set(_names(self.folder))

    def results(self, command: Command) -> str:
        """Digest of what the command is for."""
        digest = hashlib.sha256()
        paths = {path for pattern in command.results for path in self.folder.glob(pattern) if path.is_file()}
        for path in sorted(paths):
            data = path.read_bytes()
            if path.name == "report.json":
                data = json.dumps(_steady(json.loads(data)), sort_keys=True).encode()
            elif path.suffix in {".h5", ".hdf5"}:
                data = _contents(path)
            digest.update(f"{path.relative_to(self.folder)} {len(data)}\n".encode() + data)
        return f"{len(paths)} files, {digest.hexdigest()}"


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        # TensorBoard's event files carry time and process; __pycache__ is Python's; pages of the report may be older.
        if not re.search(r"events\.out|__pycache__", name):
            yield re.sub(r"-[0-9a-f]{16}\.", "-DIGEST.", name)


def _contents(path: Path) -> bytes:
    """Digest of all datasets and attributes of an HDF5 file; its bytes carry the time in which it was made."""
    import h5py

    told = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        told.update(f"{name} {sorted((key, str(value)) for key, value in item.attrs.items())}\n".encode())
        if isinstance(item, h5py.Dataset):
            told.update(f"{item.dtype} {item.shape}\n".encode() + item[()].tobytes())

    with h5py.File(path) as file:
        add("/", file)
        file.visititems(add)
    return told.digest()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if not _VARIES.search(key)}
    return [_steady(item) for item in value] if isinstance(value, list) else value


def prepare(folder: Path) -> None:
    """A workspace with a small trained network, and one that can be trained in seconds."""
    import deployed
    from tensorflow import keras

    from hw_amc import compress
    from hw_amc.files import file_digest
    from hw_amc.graph.reader import build_graph

    model_folder = folder / "hls_projects" / MODEL
    model_folder.mkdir(parents=True)
    (folder / "tmp").mkdir()
    x = inputs = keras.Input((32, 2), name="frames")
    for layer in (
        deployed.act("iq", integer=1),
        deployed.conv1d("conv", 3, 3),
        deployed.relu("conv_relu", integer=1),
        keras.layers.GlobalAveragePooling1D(name="gap"),
        deployed.act("gap_quant"),
        deployed.dense("head", 5),
    ):
        x = layer(x)
    model = deployed.fill(keras.Model(inputs, x), "random")
    compress.save_deployed(model, model_folder / "weights.h5")
    loaded = compress.load_deployed(model_folder / "weights.h5")
    classes = deployed.FIVE
    build_graph(loaded, MODEL, classes, file_digest(model_folder / "weights.h5")).save(model_folder)
    (model_folder / "project.toml").write_text(f"classes = {json.dumps(classes)}\n[rtl]\ncycles_per_step = 4\n")
    other = folder / "hls_projects" / "gru_cnn_c40"
    other.mkdir()
    (other / "train.toml").write_text(RECIPE)


def finish(process: subprocess.Popen[str], seconds: float = 900.0) -> tuple[int, str]:
    """Exit code and standard error of a process at its end."""
    _, said = process.communicate(timeout=seconds)
    return process.returncode, said


def undisturbed(place: Place, command: Command) -> tuple[str, set[str], float]:
    """Results, files and seconds of a run that nobody kills."""
    place.renew(command)
    started = time.monotonic()
    code, said = finish(place.start(command.arguments, ""))
    if code:
        raise RuntimeError(f"{' '.join(command.arguments)}: exit code {code}: {said}")
    seconds = time.monotonic() - started
    return place.results(command), place.files(), seconds


def kill_once(place: Place, command: Command, wanted: tuple[str, set[str], float], chance: random.Random) -> Outcome:
    """One kill, the run after it, and what they left."""
    results, files, seconds = wanted
    number, whole_group, moment = chance.choice(SIGNALS), chance.random() < 0.5, chance.uniform(START_S, seconds)
    what = f"{number.name} to the {'group' if whole_group else 'process'}"
    outcome, mark = Outcome(1, {what: 1}), uuid.uuid4().hex
    place.renew(command)
    process = place.start(command.arguments, mark)
    time.sleep(moment)
    outcome.too_late = int(process.poll() is not None)
    with suppress(ProcessLookupError):
        (os.killpg if whole_group else os.kill)(process.pid, number)
    try:
        code, said = finish(process, END_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        code, said = finish(process)
        outcome.problems.append(f"it did not end within {END_S:g} s")
        outcome.wrong_words = 1
    codes, lines = ANSWERS[number]
    if code != 0 and (code not in codes or len(words(said)) != lines):
        outcome.wrong_words = 1
        outcome.problems.append(f"exit code {code}, {said[-600:]!r}")
    again, told = finish(place.start(command.arguments, ""))
    outcome.failed_again = int(again != 0)
    if again:
        outcome.problems.append(f"the second run: exit code {again}, {told[-300:]!r}")
    elif place.results(command) != results:
        outcome.other_results = 1
        outcome.problems.append(f"{place.results(command)} in place of {results}")
    left = wait_until_gone(mark, 1.0)
    outcome.orphans = len(left)
    for pid in left:
        outcome.problems.append(f"still there: {_command_line(pid)}")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    extra = sorted(place.files() - files)
    outcome.locks = sum(name.endswith(".lock") for name in extra)
    outcome.leftovers = len(extra) - outcome.locks
    if extra:
        outcome.problems.append(f"left over: {', '.join(extra[:4])}")
    outcome.problems = [f"{what} after {moment:.2f} s of {seconds:.2f}: {problem}" for problem in outcome.problems]
    return outcome


def words(said: str) -> list[str]:
    """Lines that a command said, without bars and what Python's helper says of shared memory."""
    lines = (line for line in said.splitlines() if line.strip())
    return [line for line in lines if not (_BAR.search(line) or _TRACKER.search(line))]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    except OSError:
        return "gone"


def kill_many(place: Place, name: str, kills: int, seed: int) -> Outcome:
    """Kill a command so many times; the seed decides when and how."""
    command, total = COMMANDS[name], Outcome()
    wanted = undisturbed(place, command)
    total.undisturbed_s = round(wanted[2], 2)
    chance = random.Random(f"{seed} {name}")
    for _ in range(kills):
        one = kill_once(place, command, wanted, chance)
        for key, value in vars(one).items():
            if isinstance(value, int):
                setattr(total, key, getattr(total, key) + value)
        for kind, count in one.by_kind.items():
            total.by_kind[kind] = total.by_kind.get(kind, 0) + count
        total.problems += one.problems
        for problem in one.problems:
            print(f"  {problem}", flush=True)
    return total


def main() -> int:
    """Kill each command, and merge what came of it into a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills a command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file to merge the result into")
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), help="some of the commands")
    options = parser.parse_args()
    # A shell starts what it puts in the background with SIGINT ignored, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    clean = True
    with tempfile.TemporaryDirectory(prefix="hw_amc_chaos_") as name:
        place = Place(Path(name))
        for command in options.commands:
            found = kill_many(place, command, options.kills, options.seed)
            clean = clean and found.is_clean
            told = {key: value for key, value in asdict(found).items() if key != "by_kind"}
            print(command, told, flush=True)
            if options.out is not None:
                _merge(options, command, found)
    return 0 if clean else 1


def _merge(options: argparse.Namespace, name: str, found: Outcome) -> None:
    told: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {"chaos": {}}
    run = f"python tests/chaos.py --kills {options.kills} --seed {options.seed} '{name}'"
    where = {"command": run, "date": date.today().isoformat(), "kind": "measured"}
    told["chaos"][name] = {"hw_amc": "hw-amc " + " ".join(COMMANDS[name].arguments), **asdict(found), **where}
    options.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
