"""What the site has beside the pages under docs/: the README, two more pages of the top folder, and the commands.

MkDocs calls the functions whose names begin with `on_` (mkdocs.yml, `hooks`).
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

import commands  # noqa: E402 (beside this file)

#: Pages of the top folder -> their places in the site.
TOP = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
#: Files of the top folder that pages name -> their places, as they are.
PLAIN = ("LICENSE", "CITATION.cff")

_DECISIONS = "decisions/README.md"

#: What a page would fetch from elsewhere when it is opened: scripts, styles, fonts, pictures.
_FETCHED = re.compile(r"""<(?:script|img|iframe)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\bstylesheet\b[^>]*//""")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the decisions, and under More the pages that the navigation leaves out."""
    docs = Path(config.docs_dir)
    nav: list[Any] = config.nav or []
    for entry in nav:
        if "Decisions" in entry:
            entry["Decisions"] = [_DECISIONS, *(path.relative_to(docs).as_posix() for path in _decisions(docs))]
    listed = set(_pages(nav))
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md") if "_build" not in path.parts}
    if others := sorted(pages - listed):
        nav.append({"More": others})
    return config


def _decisions(docs: Path) -> list[Path]:
    return sorted(docs.glob("decisions/[0-9]*.md"))


def _list_decisions(docs: Path) -> str:
    """Return the page that lists the decisions by their titles."""
    titles = [(path.name, path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")) for path in _decisions(docs)]
    return "# Decisions\n\nShort records of why things are as they are.\n\n" + "".join(
        f"- [{title}]({name})\n" for name, title in titles
    )


def _pages(nav: Any) -> Iterator[str]:
    """Yield the pages of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages(item)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the top folder and the page of the commands."""
    for name, place in TOP.items():
        files.append(File.generated(config, place, content=(ROOT / name).read_text(encoding="utf-8")))
    for name in PLAIN:
        if (ROOT / name).is_file():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    files.append(File.generated(config, "reference/commands.md", content=commands.page()))
    files.append(File.generated(config, _DECISIONS, content=_list_decisions(Path(config.docs_dir))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links between the top folder and docs/ to where the site has the pages."""
    place = page.file.src_uri
    source = next((name for name, moved in TOP.items() if moved == place), f"docs/{place}")
    return re.sub(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)", lambda link: _moved(link[1], source, place), markdown)


def _moved(link: str, source: str, place: str) -> str:
    """Return a link of a file of the repository as a link of the site's page."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if not (ROOT / target).exists():
        return link  # MkDocs says so
    if (ROOT / target).is_dir():
        target = f"{target}/README.md"
    inside = TOP.get(target, target.removeprefix("docs/"))
    if inside == target and target not in PLAIN:
        raise PluginError(f"{source}: {link} is not in the site; name the file in `code` instead")
    return posixpath.relpath(inside, posixpath.dirname(place) or ".")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Require that a page fetches nothing from elsewhere."""
    if found := _FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches something from elsewhere: {found[0]}")
    return output
