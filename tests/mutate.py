"""Changes one operator or constant at a time and asks the tests of its own block whether they notice.

`python tests/mutate.py --only 'hw_amc/graph/ops/*' --sample 6 --out docs/results/mutation.json` (`make mutate`) draws
that many changes of each file, of all that there are, and goes on where an earlier run ended. A copy of the tree is
changed, never the tree itself; one process that has loaded pytest and numpy forks for each change. A change that no
test notices is a hole in the tests, or makes no difference: then it stands with its reason in
tests/data/mutation_equivalent.json.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
EQUIVALENT = Path(__file__).parent / "data" / "mutation_equivalent.json"
#: What a copy of the tree needs.
COPIED = ("hw_amc", "tests", "sim", "boards", "benchmarks", "hls_projects", "docs", "pyproject.toml", "README.md")
MARKERS = "not slow and not vendor and not gnuradio"
#: Files (patterns) and the tests that they meet; the first pattern that fits counts.
TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("hw_amc/graph/fixed.py", ("tests/test_fixed.py", "tests/test_graph_ops.py")),
    ("hw_amc/graph/ops/lstm.py", ("tests/test_golden_bounds.py", "tests/test_graph_ops.py", "tests/test_rtl_lstm.py")),
    ("hw_amc/graph/ops/*.py", ("tests/test_golden_bounds.py", "tests/test_graph_ops.py", "tests/test_golden.py")),
    ("hw_amc/graph/golden.py", ("tests/test_golden_bounds.py", "tests/test_graph_ops.py", "tests/test_golden.py")),
    ("hw_amc/rtl/blocks/amc_sum3*.v", ("tests/test_rtl_proofs.py",)),
    ("hw_amc/rtl/blocks/amc_digit_add*.v", ("tests/test_rtl_matrix.py", "tests/test_rtl_proofs.py")),
    ("hw_amc/rtl/blocks/amc_*_add.v", ("tests/test_rtl_matrix.py", "tests/test_rtl_proofs.py")),
    ("hw_amc/rtl/blocks/amc_lstm*.v", ("tests/test_rtl_lstm.py",)),
    ("hw_amc/rtl/blocks/amc_window.v", ("tests/test_rtl_conv2d.py",)),
    ("hw_amc/rtl/blocks/amc_maximum.v", ("tests/test_rtl_conv2d.py", "tests/test_rtl_layers.py")),
    ("hw_amc/rtl/blocks/amc_dense.v", ("tests/test_rtl_conv2d.py",)),
    ("hw_amc/rtl/blocks/amc_add.v", ("tests/test_rtl_branches.py",)),
    ("hw_amc/rtl/blocks/amc_align.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_choose.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_curve.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_gru_before.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_multiply.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_repeat.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_reverse.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_table.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_taps.v", ("tests/test_rtl_streams.py",)),
    ("hw_amc/rtl/blocks/amc_round_saturate.v", ("tests/test_rtl_properties.py", "tests/test_rtl_core.py")),
    ("hw_amc/rtl/blocks/*", ("tests/test_rtl_core.py", "tests/test_rtl_layers.py")),
    ("hw_amc/rtl/shell/amc_shell_gain.v", ("tests/test_shell_gain.py",)),
    ("hw_amc/rtl/shell/amc_shell_store.v", ("tests/test_shell_gain.py",)),
    ("hw_amc/interface/gain.py", ("tests/test_gain.py",)),
    ("hw_amc/rtl/shell/amc_*.v", ("tests/test_rtl_properties.py", "tests/test_shell.py", "tests/test_shell_fast.py")),
    (
        "hw_amc/rtl/shell/*",
        ("tests/test_registers.py", "tests/test_rtl_properties.py", "tests/test_shell_registers.py"),
    ),
    ("hw_amc/rtl/*", ("tests/test_rtl_matrix.py", "tests/test_rtl_core.py", "tests/test_rtl_control.py")),
    ("hw_amc/hls/firmware/*", ("tests/test_hls_csim.py",)),
    ("hw_amc/driver/clock.py", ("tests/test_driver_clock.py",)),
    ("hw_amc/driver/lock.py", ("tests/test_driver_lock.py", "tests/test_driver.py")),
    ("hw_amc/driver/turns.py", ("tests/test_driver_turns.py", "tests/test_driver.py")),
    ("hw_amc/driver/handoff.py", ("tests/test_handoff.py", "tests/test_driver.py")),
    ("hw_amc/driver/selftest.py", ("tests/test_driver_selftest.py",)),
    ("hw_amc/driver/__main__.py", ("tests/test_driver_selftest.py", "tests/test_doctor.py")),
    ("hw_amc/driver/doctor.py", ("tests/test_doctor.py",)),
    ("hw_amc/driver/*", ("tests/test_driver.py", "tests/test_driver_faults.py")),
)


@dataclass(frozen=True)
class Mutant:
    """A file with one change."""

    path: str
    line: int
    change: str
    text: str

    @property
    def key(self) -> str:
        return f"{self.path}:{self.line}: {self.change}"


_BINARY = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def _in_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes inside functions' bodies, without annotations."""
    types = [
        node.annotation for node in ast.walk(tree) if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation
    ]
    passed_over = {inner for annotation in types for inner in ast.walk(annotation)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for statement in node.body:
                yield from (inner for inner in ast.walk(statement) if inner not in passed_over)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in a node's place."""
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        yield ast.BinOp(node.left, _BINARY[type(node.op)](), node.right)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
        yield ast.Compare(node.left, [_COMPARED[type(node.ops[0])](), *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        yield ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1)


def python_mutants(path: str, text: str) -> list[Mutant]:
    """All changes of a Python file: an operator, a comparison, a constant by one, a negation that is dropped."""
    found, lines = [], text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    code = text.encode()
    for node in dict.fromkeys(_in_code(ast.parse(text))):
        for other in _changes(node):
            begin = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            new = f"({ast.unparse(ast.fix_missing_locations(other))})"
            old = code[begin:end].decode()
            changed = (code[:begin] + new.encode() + code[end:]).decode()
            found.append(Mutant(path, node.lineno, f"{' '.join(old.split())} -> {new}", changed))  # type: ignore[attr-defined]
    return found


#: Tokens of Verilog and C++ and what stands in their place.
_TOKENS = (
    (r"(?<= )\+(?= )", "-"), (r"(?<= )-(?= )", "+"), (r"(?<= )&&(?= )", "||"), (r"(?<= )\|\|(?= )", "&&"),
    (r"(?<= )&(?= )", "|"), (r"(?<= )\|(?= )", "&"), (r"(?<= )==(?= )", "!="), (r"(?<= )!=(?= )", "=="),
    (r"(?<= )<(?= )", "<="), (r"(?<= )>(?= )", ">="), (r"(?<= )>=(?= )", ">"), (r"(?<= )\^(?= )", "|"),
    (r"(?<= )>>>?(?= )", "<<"), (r"(?<= )<<<?(?= )", ">>"), (r"[!~](?=[\w(])", ""), (r"\b1'b0\b", "1'b1"),
    (r"\b1'b1\b", "1'b0"), (r"(?<=[ \[(])([01])(?=[\]):; ])", r"<\1>"),
)  # fmt: skip


def token_mutants(path: str, text: str) -> list[Mutant]:
    """All changes of a Verilog or C++ file: operators, negations, constants of one bit, 0 for 1 and 1 for 2."""
    found, offset = [], 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        code = re.sub(r"//.*|/\*.*?\*/", lambda match: " " * len(match[0]), line)
        if not re.match(r"\s*(parameter|localparam|#|`|static_assert|/?\*)", code):
            for pattern, new in _TOKENS:
                for match in re.finditer(pattern, code):
                    token = {"<0>": "1", "<1>": "2"}.get(match.expand(new), new)
                    begin, end = offset + match.start(), offset + match.end()
                    changed = text[:begin] + token + text[end:]
                    place = f"{' '.join(line.split())} [{match.start()}] {match[0]} -> {token or 'nothing'}"
                    found.append(Mutant(path, number, place, changed))
        offset += len(line)
    return found


def mutants_of(path: str) -> list[Mutant]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return python_mutants(path, text) if path.endswith(".py") else token_mutants(path, text)


def met_by(path: str) -> tuple[str, ...]:
    """Tests that a file meets; none if it is not mutated."""
    return next((tests for pattern, tests in TESTS if fnmatch.fnmatch(path, pattern)), ())


def _child(copy: Path, tests: list[str], log: Path) -> None:
    """In a process of its own: the copy's tests, up to the first that fails."""
    os.setsid()
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.chdir(copy)
    # What a changed program keeps must not be found by anybody else.
    os.environ.update(PYTHONPATH=str(copy), XDG_CACHE_HOME=str(copy / "cache"))
    sys.path.insert(0, str(copy))
    import pytest

    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--basetemp", str(copy / "tmp"), "-m", MARKERS]
    os._exit(int(pytest.main([*options, *tests])))


def outcome(copy: Path, mutant: Mutant, seconds: float) -> str:
    """Put a change into the copy, run its tests, take it back: "killed", "survived", "too long" or "no tests"."""
    target, number = copy / mutant.path, time.time_ns() // 1_000_000_000
    before = target.read_text(encoding="utf-8")
    target.write_text(mutant.text, encoding="utf-8")
    # Compiled files are found by time and size.
    os.utime(target, (number + random.randrange(1, 1 << 20),) * 2)
    pid = os.fork()
    if pid == 0:
        _child(copy, [test for test in met_by(mutant.path) if (copy / test).exists()], copy / "log.txt")
    ended = time.monotonic() + seconds
    status: int | None = None
    while status is None and time.monotonic() < ended:
        done, raw = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(raw) if done else None
        time.sleep(0.1)
    if status is None:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    target.write_text(before, encoding="utf-8")
    return {None: "too long", 0: "survived", 5: "no tests"}.get(status, "killed")


def files_of(pattern: str) -> list[str]:
    """Files that are mutated and fit a pattern."""
    every = (str(path.relative_to(ROOT)) for path in sorted((ROOT / "hw_amc").rglob("*")) if path.is_file())
    wanted = (path for path in every if path.endswith((".py", ".v", ".h", ".cpp")) and fnmatch.fnmatch(path, pattern))
    return [path for path in wanted if met_by(path) and not path.endswith("__init__.py")]


def summary(results: dict[str, dict[str, object]]) -> dict[str, int]:
    outcomes = [str(found) for file in results.values() for found in dict(file["mutants"]).values()]  # type: ignore[call-overload]
    return {name: outcomes.count(name) for name in sorted(set(outcomes))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="files, by a pattern of their paths")
    parser.add_argument("--sample", type=int, default=6, help="changes of each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600.0, help="the longest that a change's tests may take")
    parser.add_argument("--again", action="store_true", help="only changes that survived before")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "mutation.json")
    chosen = parser.parse_args()
    found = json.loads(chosen.out.read_text()) if chosen.out.exists() else {"schema": 1, "mutation": {"files": {}}}
    results = found["mutation"]["files"]
    with tempfile.TemporaryDirectory(prefix="hw_amc_mutation_") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("build", "__pycache__", "checkpoints")
            shutil.copytree(source, copy / name, ignore=ignored) if source.is_dir() else shutil.copy(source, copy)
        for path in files_of(chosen.only):
            mutants = mutants_of(path)
            drawn = random.Random(f"{chosen.seed} {path}").sample(mutants, min(chosen.sample, len(mutants)))
            entry = results.setdefault(path, {"possible": len(mutants), "tests": list(met_by(path)), "mutants": {}})
            for mutant in drawn:
                before = entry["mutants"].get(mutant.key)
                if before != "survived" if chosen.again else before is not None:
                    continue
                entry["mutants"][mutant.key] = outcome(copy, mutant, chosen.seconds)
                print(entry["mutants"][mutant.key], mutant.key, flush=True)
                facts = {"date": f"{date.today()}", "kind": "measured", "seed": chosen.seed}
                found["mutation"] = {**facts, "outcomes": summary(results), "files": results}
                chosen.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(summary(results))


if __name__ == "__main__":
    import numpy  # noqa: F401
    import pytest  # noqa: F401

    main()
