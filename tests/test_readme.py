"""The README's commands and the lists that they rest on."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_system_packages_are_one_list() -> None:
    packages = re.search(r"^PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    line = re.search(r"^apt-get install -y ([^#\n]*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert packages
    assert line
    assert packages[1].split() == line[1].split()


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"(?:^|`)make +([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert used <= targets
    assert {"hls", "test"} <= used


def test_ci_runs_lint_and_the_test_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line.startswith("make ")]
    assert commands[:3] == ["make lint", "make docs", "make test"]
    named = re.fullmatch(r'make test-base TESTS="\$\(echo tests/test_\{([a-z_,]*)\}\.py\)"', commands[3])
    assert named
    assert all((ROOT / "tests" / f"test_{name}.py").is_file() for name in named[1].split(","))
    assert "make test" in re.findall(r"^```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_the_containers_are_built_by_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {".venv/.all"}
    settings = re.sub(r"^\s*//.*$", "", (ROOT / ".devcontainer" / "devcontainer.json").read_text(), flags=re.MULTILINE)
    created = json.loads(settings)["postCreateCommand"].split()
    built = re.findall(r"^RUN make (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert created == ["make", *built] == ["make", "system", ".venv/.all"]
    assert set(built) <= targets
