"""The pictures of the pages are what the program shows today."""

from __future__ import annotations

import html
import re
from pathlib import Path

import screenshots


def shown(svg: str) -> list[str]:
    """The lines of a terminal's picture, without times and speeds."""
    texts = re.findall(r'<text [^>]*?y="([\d.]+)"[^>]*clip-path[^>]*>([^<]*)</text>', svg)
    lines: dict[str, str] = {}
    for place, text in texts:
        lines[place] = lines.get(place, "") + html.unescape(text).replace("\xa0", " ")
    return [re.sub(r"[\d.,]+ s\b.*", "", line) for line in lines.values()]


def test_the_terminal_is_as_in_the_picture(tmp_path: Path) -> None:
    made = screenshots.terminal(tmp_path)
    kept = (screenshots.IMAGES / "classify.svg").read_text(encoding="utf-8")
    assert "url(http" not in made.replace('"', "")
    assert "@font-face" not in made
    assert shown(made) == shown(kept), "make it again: python tests/screenshots.py"
    assert any("16QAM" in line for line in shown(made))
    assert (tmp_path / "answers.png").read_bytes()[:4] == b"\x89PNG"
