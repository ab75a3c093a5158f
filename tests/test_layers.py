"""The package's layers (docs/architecture.md): who may import whom, and who TensorFlow, pynq and subprocess."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hw_amc"

#: From the ground up: a module imports from its own layer and from those before it.
LAYERS = (
    "errors ending extras untrusted hdf5 files text cache tools parallel sources parts style config",
    "graph",
    "adders",
    "interface",
    "radio",
    "models",
    "compress",
    "workspace",
    "verify",
    "train",
    "hls",
    "rtl",
    "cosim",
    "synth",
    "sim_device",
    "driver",
    "overlay",
    "bench",
    "search",
    "report",
    "flows",
    "gnuradio",
    "api",
    "cli",
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}

#: Heavy or one-sided packages -> the parts of ours that may import them.
ADMITTED = {
    "tensorflow": ("models", "compress", "train", "graph.reader", "verify.keras", "hls"),
    "keras": (),
    "qkeras": ("compress",),
    "hls4ml": ("hls",),
    "pynq": ("driver", "sim_device"),
    "gnuradio": ("gnuradio.amc_classifier",),
    "subprocess": ("tools",),
    "typer": ("cli",),
    "rich": ("cli", "report.terminal", "train", "radio.generator.dataset"),
}


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if "notebooks" not in path.parts}


def _is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not _is_typing_only(node):
            yield node
            yield from _nodes(node)


def imports(path: Path, typing_too: bool = False) -> set[str]:
    """Every module that a file imports, at once or later; of our own the module and not its folder."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if typing_too else _nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in full}
    return found


IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else "cli"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down(module: str) -> None:
    own = {name for name in IMPORTS[module] if name.startswith("hw_amc.")}
    up = sorted(name for name in own if RANK[_part(name)] > RANK.get(_part(module), len(LAYERS)))
    assert not up, f"{module} imports from a layer above its own: {up}"


@pytest.mark.parametrize("package", sorted(ADMITTED))
def test_only_those_admitted_import(package: str) -> None:
    having = {name for name in MODULES if any(i.split(".")[0] == package for i in IMPORTS[name])}
    admitted = tuple(f"hw_amc.{part}" for part in ADMITTED[package])
    others = sorted(name for name in having if not f"{name}.".startswith(tuple(f"{part}." for part in admitted)))
    assert not others, f"{package} is imported by {others}; admitted: {ADMITTED[package]}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    own = {name: imports(path, typing_too=True) & MODULES.keys() for name, path in MODULES.items()}
    # The package itself names the API to type checkers, and brings it when it is asked for.
    own["hw_amc"] = IMPORTS["hw_amc"] & MODULES.keys()
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"imports in a circle: {' -> '.join((*path[path.index(name) :], name))}"
        if name not in done:
            for other in sorted(own[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


def test_the_interface_needs_numpy_only() -> None:
    """A board has numpy and the standard library; what it must know of an accelerator asks for nothing else."""
    for module in (name for name in MODULES if name.startswith("hw_amc.interface")):
        others = {name for name in IMPORTS[module] if not name.startswith(("hw_amc.interface", "hw_amc.errors"))}
        foreign = {name.split(".")[0] for name in others} - sys.stdlib_module_names - {"numpy"}
        assert not foreign, f"{module} imports {foreign}, which a board has not"


#: Programs of their own, which other processes start.
PROGRAMS = ("hw_amc.sim_device", "hw_amc.driver.__main__", "hw_amc.cosim.cocotb_runner")


def test_the_running_command_is_handed_down() -> None:
    """Only the command line, and programs of their own, read `sys.argv`."""
    having = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.argv"
    }
    assert {name for name in having if not name.startswith(PROGRAMS)} == {"hw_amc.cli.main"}
