"""The pictures of the pages, made again: `python tests/screenshots.py [REPORT.html]`; a test compares the first.

docs/images/classify.svg    what `hw-amc classify` prints about a short generated recording
docs/images/answers.png     its `--picture`
docs/images/report.png      the top of a report, by Chromium
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from hw_amc.cli import main as cli
from hw_amc.cli.output import printer
from hw_amc.radio import CLASSES, generate_frames, load_recipe

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COMMAND = "hw-amc classify gru_cnn_sparse07 air.cf32 --picture answers.png"
#: Class, SNR and frames of what is sent one after another.
SENT = (("BPSK", 20, 4), ("FM", 20, 4), ("16QAM", 20, 4))


class _Paper(Console):
    """A console that wraps its lines, as a terminal does."""

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        super().print(*objects, **options)


def write_recording(path: Path) -> None:
    """Write the recording, complex float32."""
    recipe = load_recipe("radioml2018")
    parts = [
        generate_frames(recipe, [CLASSES.index(name)] * count, [snr_db] * count, range(count), split=2)
        for name, snr_db, count in SENT
    ]
    np.concatenate(parts).astype("<f4").tofile(path)


def terminal(folder: Path) -> str:
    """Return the command and what it prints as a picture, SVG; it fetches no font."""
    kept = printer.console
    printer.console = _Paper(record=True, width=100, file=io.StringIO(), color_system="truecolor")
    printer.console.print(f"$ {COMMAND}", style="bold", highlight=False)
    here = Path.cwd()
    os.chdir(folder)
    try:
        write_recording(Path("air.cf32"))
        with suppress(SystemExit):
            cli.main(COMMAND.split()[1:])
        form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        return printer.console.export_svg(title="hw-amc", code_format=form, unique_id="classify")
    finally:
        os.chdir(here)
        printer.console = kept


def shoot(report: Path) -> None:
    """Take a picture of the top of a report."""
    chromium = shutil.which("chromium") or sys.exit("chromium is not on PATH")
    with tempfile.TemporaryDirectory() as home:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={home}"]
        size = ["--window-size=1100,900", f"--screenshot={IMAGES / 'report.png'}"]
        subprocess.run([chromium, *options, *size, report.resolve().as_uri()], check=True, capture_output=True)


def main(reports: list[str]) -> None:
    """Make the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        (IMAGES / "classify.svg").write_text(terminal(Path(folder)), encoding="utf-8")
        shutil.copy(Path(folder) / "answers.png", IMAGES / "answers.png")
    for report in reports:
        shoot(Path(report))


if __name__ == "__main__":
    main(sys.argv[1:])
