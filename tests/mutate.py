"""Changes one operator or constant at a time and asks the tests of its own block whether they notice.

`python tests/mutate.py --only 'hw_amc/graph/ops/*' --sample 6 --out docs/results/mutation.json` (`make mutate`) draws
that many changes of each file, of all that there are, and goes on where an earlier run ended; a larger sample holds the
smaller one. Changes that somebody thought of (tests/data/mutation_by_hand.json) come first. Which tests a file meets,
tests/mutation_tests.py says. A copy of the tree is changed, never the tree itself. One process collects the tests and
forks for each change: what takes seconds, loading and collecting, is done once; a function that is changed gets its new
code in place. What survives is tried once more in a process that has loaded nothing. A change that no test notices is a
hole in the tests, or makes no difference: then it stands with its reason in tests/data/mutation_equivalent.json.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import gc
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from mutation_tests import GROUPS, TESTS, group_of

ROOT = Path(__file__).parents[1]
EQUIVALENT = Path(__file__).parent / "data" / "mutation_equivalent.json"
#: Changes that somebody thought of: file, text that stands there once, what takes its place.
BY_HAND = Path(__file__).parent / "data" / "mutation_by_hand.json"
#: What a copy of the tree needs.
COPIED = ("hw_amc", "tests", "sim", "boards", "benchmarks", "hls_projects", "docs", "pyproject.toml", "README.md")
#: What tests are run.
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not lint")
MARKERS = "not slow and not vendor and not gnuradio"


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
    """Nodes inside functions' bodies, without annotations and what makes `zip` strict."""
    passed: list[ast.expr | None] = [
        node.annotation for node in ast.walk(tree) if isinstance(node, ast.AnnAssign | ast.arg)
    ]
    passed += [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "strict"]
    passed_over = {inner for each in passed if each for inner in ast.walk(each)}
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
    same = Counter[tuple[int, str]]()
    starts = [0]
    for each in lines:
        starts.append(starts[-1] + len(each))
    code = text.encode()
    for node in dict.fromkeys(_in_code(ast.parse(text))):
        for other in _changes(node):
            line: int = node.lineno  # type: ignore[attr-defined]
            begin = starts[line - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            new = f"({ast.unparse(ast.fix_missing_locations(other))})"
            old = code[begin:end].decode()
            changed = (code[:begin] + new.encode() + code[end:]).decode()
            change = f"{' '.join(old.split())} -> {new}"
            same[line, change] += 1
            place = f" [{same[line, change]}]" if same[line, change] > 1 else ""
            found.append(Mutant(path, line, change + place, changed))
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
            # A loop that steps backwards never ends.
            code = re.sub(r"\b(\w+) = \1 \+ 1\)", lambda match: " " * len(match[0]), code)
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
    """Every change of one operator or constant."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return python_mutants(path, text) if path.endswith(".py") else token_mutants(path, text)


def by_hand(path: str) -> list[Mutant]:
    """Changes of a file that somebody thought of."""
    text, found = (ROOT / path).read_text(encoding="utf-8"), []
    for file, old, new in json.loads(BY_HAND.read_text(encoding="utf-8")):
        if file == path:
            if text.count(old) != 1:
                raise SystemExit(f"{BY_HAND.name}: {path} has {old!r} {text.count(old)} times, not once")
            line = text[: text.index(old)].count("\n") + 1
            change = f"by hand: {' '.join(old.split())} -> {' '.join(new.split()) or 'nothing'}"
            found.append(Mutant(path, line, change, text.replace(old, new)))
    return found


def drawn(path: str, sample: int, seed: int) -> list[Mutant]:
    """Changes by hand, then so many of the others in an order that the seed gives."""
    mutants = mutants_of(path)
    random.Random(f"{seed} {path}").shuffle(mutants)
    return [*by_hand(path), *mutants[:sample]]


def met_by(path: str) -> tuple[str, ...]:
    """Tests that a file meets; none if it is not mutated."""
    return next((tests for pattern, tests in TESTS if fnmatch.fnmatch(path, pattern)), ())


def _code_of(text: str, path: str) -> Iterator[types.CodeType]:
    """Code of all functions of a file, in order."""
    open_ends = [compile(text, path, "exec", dont_inherit=True)]
    while open_ends:
        code = open_ends.pop()
        yield code
        open_ends += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]


def change_functions(path: str, before: str, text: str) -> None:
    pairs = zip(_code_of(before, path), _code_of(text, path), strict=True)
    codes = {(old.co_qualname, old.co_firstlineno): new for old, new in pairs}
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType) and function.__code__.co_filename == path:
            code = function.__code__
            function.__code__ = codes[code.co_qualname, code.co_firstlineno]


def met_by_items(path: str, items: list[Any]) -> list[Any]:
    """Those of the collected tests that a file meets, in the order of its row."""
    tests = met_by(path)
    ranks = {item: [place for place, test in enumerate(tests) if item.nodeid.startswith(test)] for item in items}
    return sorted((item for item in items if ranks[item]), key=lambda item: min(ranks[item]))


class Tries:
    """A plugin of pytest: in place of its tests' one run, a run in a process of its own for each change."""

    def __init__(self, copy: Copy, mutants: list[Mutant], seconds: float, fresh: bool) -> None:
        self.copy, self.mutants, self.seconds, self.fresh = copy, mutants, seconds, fresh
        #: Tests that have failed with some change, and pass without.
        self.passing: set[str] = set()

    def pytest_runtestloop(self, session: Any) -> bool:
        if session.testsfailed or not session.items:
            raise SystemExit(f"tests cannot be collected: {session.testsfailed} of {session.items}")
        for mutant in self.mutants:
            status, failed, used = self._fork(session, mutant, met_by_items(mutant.path, session.items))
            if status and not failed:
                raise SystemExit(f"{mutant.path}:{mutant.line}: {mutant.change} cannot be put in place")
            found = "too long" if status is None else "killed" if status else "survived"
            if found == "killed" and not self.fresh:
                self._require_passing(session, failed)
            self.copy.tell(mutant, found, failed, used)
        return True

    def _require_passing(self, session: Any, failed: str) -> None:
        """Require that the test that has failed passes without the change."""
        if failed not in self.passing:
            items = [item for item in session.items if item.nodeid == failed]
            if self._fork(session, None, items)[0] != 0:
                raise SystemExit(f"{failed or 'something'} fails without any change")
            self.passing.add(failed)

    def _fork(self, session: Any, mutant: Mutant | None, items: list[Any]) -> tuple[int | None, str, float]:
        """Exit code (None: it took too long), test that failed, processor's time."""
        note = self.copy.folder / "failed.txt"
        note.write_text("")
        with self.copy.changed(mutant):
            pid = os.fork()
            if pid == 0:
                self._run(session, mutant, items, note)
            status, used = wait_for(pid, self.seconds)
        return status, note.read_text(), used

    def _run(self, session: Any, mutant: Mutant | None, items: list[Any], note: Path) -> None:
        os.setsid()
        try:
            if mutant is not None and mutant.path.endswith(".py") and not self.fresh:
                before = (ROOT / mutant.path).read_text(encoding="utf-8")
                change_functions(str(self.copy.folder / mutant.path), before, mutant.text)
            for item, behind in zip(items, [*items[1:], None], strict=True):
                note.write_text(item.nodeid)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=behind)
                if session.testsfailed:
                    os._exit(1)
        except BaseException:
            os._exit(1)
        os._exit(0)


def wait_for(pid: int, seconds: float) -> tuple[int | None, float]:
    """Exit code of a process and the time that it took of a processor; None, and it is killed, if it takes longer."""
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        done, raw, used = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(raw), used.ru_utime + used.ru_stime
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    used = os.wait4(pid, 0)[2]
    return None, used.ru_utime + used.ru_stime


class Copy:
    """A copy of the tree, in which one file at a time is changed."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder, self.log = folder.resolve(), log
        ignored = shutil.ignore_patterns("build", "_build", "__pycache__", "checkpoints")
        for name in COPIED:
            source = ROOT / name
            shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)

    @contextmanager
    def changed(self, mutant: Mutant | None) -> Iterator[None]:
        """With the change in its file."""
        if mutant is None:
            yield
            return
        target = self.folder / mutant.path
        before = target.read_text(encoding="utf-8")
        target.write_text(mutant.text, encoding="utf-8")
        # Compiled files are found by time and size.
        os.utime(target, (time.time_ns() // 1_000_000_000 + random.randrange(1, 1 << 20),) * 2)
        try:
            yield
        finally:
            target.write_text(before, encoding="utf-8")

    def tell(self, mutant: Mutant, found: str, failed: str, used: float) -> None:
        self.log.note(mutant, found)
        print(f"{used:5.1f} s", found, mutant.key, f"by {failed}" if found == "killed" else "", flush=True)

    def run(self, mutants: list[Mutant], seconds: float, fresh: bool = False) -> None:
        """Try changes; `fresh`: each in a process that has loaded nothing."""
        for some in [[mutant] for mutant in mutants] if fresh else [mutants]:
            with self.changed(some[0] if fresh else None):
                pid = os.fork()
                if pid == 0:
                    self._collect(some, seconds, fresh)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if status and fresh:
                self.tell(some[0], "killed", "tests that cannot be collected", 0.0)
            elif status:
                print(f"pytest ended with {status}", flush=True)

    def _collect(self, mutants: list[Mutant], seconds: float, fresh: bool) -> None:
        """In a process of its own: the copy's tests, and what is ours, loaded."""
        os.chdir(self.folder)
        # What a changed program keeps must not be found by anybody else.
        os.environ.update(PYTHONPATH=str(self.folder), XDG_CACHE_HOME=str(self.folder / "cache"))
        sys.path.insert(0, str(self.folder))
        for name in [name for name in sys.modules if name.startswith("mutat")]:
            del sys.modules[name]
        options = [*OPTIONS, "--basetemp", str(self.folder / "tmp"), "-m", MARKERS]
        tests = list(dict.fromkeys(test for mutant in mutants for test in met_by(mutant.path)))
        os._exit(int(pytest.main([*options, *tests], plugins=[Tries(self, mutants, seconds, fresh)])))


def files_of(pattern: str) -> list[str]:
    """Files that are mutated and fit a pattern."""
    every = (str(path.relative_to(ROOT)) for path in sorted((ROOT / "hw_amc").rglob("*")) if path.is_file())
    wanted = (path for path in every if path.endswith((".py", ".v", ".h", ".cpp")) and fnmatch.fnmatch(path, pattern))
    return [path for path in wanted if met_by(path) and not path.endswith("__init__.py")]


def summary(results: dict[str, dict[str, object]]) -> dict[str, int]:
    outcomes = [str(found) for file in results.values() for found in dict(file["mutants"]).values()]  # type: ignore[call-overload]
    return {name: outcomes.count(name) for name in sorted(set(outcomes))}


class Log:
    """Results so far, in their file."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.seed = path, seed
        self.files: dict[str, Any] = json.loads(path.read_text())["mutation"]["files"] if path.exists() else {}
        #: Kind of files -> how many there are, and their changes.
        self.all = {name: {"files": 0, "possible": 0} for name in GROUPS}
        for file in files_of("*"):
            found = self.all[group_of(file)]
            found["files"] += 1
            found["possible"] += len(mutants_of(file))

    def outcomes(self, path: str) -> dict[str, str]:
        """Outcomes of a file's changes; those of another text of it are dropped."""
        possible = mutants_of(path)
        keys = {mutant.key for mutant in (*possible, *by_hand(path))}
        before = self.files.get(path, {"mutants": {}})["mutants"]
        kept = {key: outcome for key, outcome in before.items() if key in keys}
        self.files[path] = {"possible": len(possible), "tests": list(met_by(path)), "mutants": kept}
        return kept

    def note(self, mutant: Mutant, outcome: str) -> None:
        """Keep an outcome beside those that other processes have written."""
        if self.path.exists():
            self.files = json.loads(self.path.read_text())["mutation"]["files"]
        self.outcomes(mutant.path)[mutant.key] = outcome
        facts = {"date": f"{date.today()}", "kind": "measured", "seed": self.seed}
        files = dict(sorted(self.files.items()))
        found = {"schema": 1, "mutation": {**facts, "outcomes": summary(files), "all": self.all, "files": files}}
        self.path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _open(chosen: argparse.Namespace, log: Log) -> list[list[Mutant]]:
    """Changes that are to be tried; those of the HLS core, whose tests load TensorFlow, apart."""
    groups: tuple[list[Mutant], list[Mutant]] = ([], [])
    wanted = ("survived", "too long") if chosen.again else (None,)
    for path in files_of(chosen.only):
        outcomes = log.outcomes(path)
        mutants = drawn(path, 1 << 30 if chosen.again else chosen.sample, chosen.seed)
        left = [mutant for mutant in mutants if outcomes.get(mutant.key) in wanted]
        groups[path.startswith("hw_amc/hls/")].extend(left)
    return [mutants for mutants in groups if mutants]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="files, by a pattern of their paths")
    parser.add_argument("--sample", type=int, default=6, help="changes of each file, beside those by hand")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600.0, help="the longest that a change's tests may take")
    parser.add_argument("--again", action="store_true", help="only changes that survived before, in fresh processes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "mutation.json")
    chosen = parser.parse_args()
    log = Log(chosen.out.resolve(), chosen.seed)
    with tempfile.TemporaryDirectory(prefix="hw_amc_mutation_") as folder:
        copy = Copy(Path(folder), log)
        for mutants in _open(chosen, log):
            copy.run(mutants, chosen.seconds, chosen.again)
    print(summary(Log(log.path, chosen.seed).files))


if __name__ == "__main__":
    main()
