"""The pages: links and anchors lead somewhere, on GitHub and in the site; CITATION.cff is of the package's version."""

from __future__ import annotations

import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("boards/**/*.md"), *ROOT.glob("hls_projects/*/*.md")]
)
#: Pages that the site is made of, beside those of the top folder.
SITE = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]


def text_of(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and the site make of a page's headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *#*$", text_of(page), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def links(page: Path) -> list[str]:
    """The relative links of a page."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text_of(page)))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}"
        assert target.is_relative_to(ROOT.resolve()), f"{name(page)}: {link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link} is no heading there"


def test_the_navigation_names_pages_that_exist() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/]+\.md\b", text.partition("\nnav:")[2]))
    made = {"index.md", "contributing.md", "changelog.md", "security.md", "reference/commands.md"}
    assert named - made == {name for name in named - made if (ROOT / "docs" / name).is_file()}
    assert {page.relative_to(ROOT / "docs").as_posix() for page in SITE if "guides" in page.parts} - named <= {
        # A guide that is new stands under More until it has a place.
        "guides/python.md",
        "guides/notebooks.md",
    }


def test_the_page_of_the_commands_has_every_command_and_option(monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from hw_amc.cli.main import app

    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_build"))
    import commands

    page = commands.page()
    del sys.modules["commands"]
    root = typer.main.get_command(app)
    for path, command in [*root.commands.items(), *root.commands["data"].commands.items()]:  # type: ignore[attr-defined]
        assert re.search(rf"^## hw-amc (data )?{path}$", page, re.MULTILINE), path
        if not hasattr(command, "commands"):
            for option in (opt for each in command.params for opt in each.opts if opt.startswith("-")):
                assert f"`{option}`" in page, (path, option)


def test_objects_of_the_python_page_exist() -> None:
    """`make docs` reads them without running them."""
    from importlib import import_module

    text = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert len(named) >= 8
    for dotted in named:
        module, _, last = dotted.rpartition(".")
        assert hasattr(import_module(module), last), dotted


def test_the_citation_has_the_packages_version() -> None:
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version
    assert citation["version"] == version[1]
    assert citation["license"] == "Apache-2.0"
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors", "abstract"} <= set(citation)
