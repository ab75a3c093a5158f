"""Run the notebooks and save them with what they showed, small and without this computer's paths; `make notebooks`.

    python tests/save_notebooks.py FOLDER [NAME...]

FOLDER is what `hw-amc sim-overlays` wrote; NAME is the beginning of a notebook's name, all by default.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

from hw_amc.flows.gallery import Gallery

NOTEBOOKS = Path(__file__).parents[1] / "boards" / "notebooks"
#: Where this computer keeps things, and what a reader sees in their place.
SHORTENED = ((re.compile(r"/\S*/ipykernel_\d+/\d+\.py:\d+: "), ""), (re.compile(r"/\S*?/hw_amc_\w+/"), "work/"))
PATHS = re.compile(r"/(?:work|tmp|root|home|usr|var)/")
#: Colours of a saved picture, and most bytes of a saved notebook.
COLOURS, MOST_BYTES = 64, 300_000


def short(text: str) -> str:
    for pattern, word in SHORTENED:
        text = pattern.sub(word, text)
    return text


def small(png: str) -> str:
    """The same picture in few colours."""
    packed = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode()


def cleaned(output: Any) -> Any:
    """An output without paths and metadata; None for noise of libraries."""
    if output.output_type == "stream":
        if output.name == "stderr" and "UserWarning: " not in output.text:
            return None
        output.text = short(output.text)
    elif "data" in output:
        if "application/javascript" in output.data:  # PYNQ colours its own cells
            return None
        output.metadata = {}
        for kind, data in output.data.items():
            if kind == "image/png":
                output.data[kind] = small(data)
            elif kind.startswith("text/"):
                output.data[kind] = short(data)
    return output


def save(path: Path) -> None:
    """Run a notebook and save it."""
    notebook = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [kept for kept in map(cleaned, cell.outputs) if kept is not None]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    text = nbformat.writes(notebook) + "\n"
    left = [found[0] for found in PATHS.finditer(re.sub(r'"image/png": "[^"]*"', "", text))]
    assert not left, f"{path.name} shows paths of this computer: {left}"
    assert len(text) <= MOST_BYTES, f"{path.name} would take {len(text):,} bytes"
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {len(text):,} bytes")


def main(folder: Path, names: list[str]) -> None:
    """Run and save."""
    gallery = Gallery(*(folder.resolve() / name for name in ("overlays", "channels", "boards", "frames.npz")))
    os.environ.update({"PYNQ_SIM_DEVICE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", **gallery.variables()})
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if path.name.startswith(tuple(names or [""])):
            save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
