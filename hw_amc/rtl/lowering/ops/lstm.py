"""LSTM: the GRU's loop, with a carry that goes around beside the state."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.adders import integers
from hw_amc.rtl.blocks.lstm import LstmBlock, lstm_matrix
from hw_amc.rtl.blocks.matrix import signed_width
from hw_amc.rtl.blocks.recurrent import TABLES
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Lstm, options=TABLES)
def lower_lstm(site: Site) -> Lowered:
    """Matrix of input and state, a cell for each unit."""
    node, source, options = site.node, site.source, site.options
    inputs = [integers(source.fmt)] * source.shape[-1] + [integers(node.fmt)] * node.units
    sums = options.sums(lstm_matrix(node, source.fmt), inputs)
    width = signed_width(sums, range(4 * node.units))
    matrix = options.matrix(node.name, sums, (width,) * (4 * node.units))
    return Lowered(LstmBlock(node, source.fmt, matrix), site.feeds[0].branch)
