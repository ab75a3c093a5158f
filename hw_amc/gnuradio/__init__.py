"""A network in a GNU Radio flow graph: the block that a user loads, an example, and what both call.

`amc_classifier.py` is the source of an embedded Python block and `amc_classify.grc` a flow graph that holds it; both
lie in `FOLDER`. Only the block imports GNU Radio.
"""

from __future__ import annotations

from pathlib import Path

from hw_amc.gnuradio.streams import FrameAnswer, StreamClassifier

#: Where the block's source and the example flow graph lie.
FOLDER = Path(__file__).parent

__all__ = ["FOLDER", "FrameAnswer", "StreamClassifier"]
