"""What a network means: fixed point, the integer graph and its operations, and the golden interpreter."""

from hw_amc.graph.graph import Graph
from hw_amc.graph.ops import OPS, Node, Weights
from hw_amc.graph.ops.add import Add, Subtract, difference_format, sum_format
from hw_amc.graph.ops.affine import Affine
from hw_amc.graph.ops.concatenate import Concatenate, common_format
from hw_amc.graph.ops.conv import Conv1d, Conv2d
from hw_amc.graph.ops.dense import Dense
from hw_amc.graph.ops.gru import Gru
from hw_amc.graph.ops.input import Input
from hw_amc.graph.ops.linear import Linear, linear_range
from hw_amc.graph.ops.lstm import Lstm
from hw_amc.graph.ops.mean import MeanPool, reciprocals
from hw_amc.graph.ops.multiply import Multiply, product_format
from hw_amc.graph.ops.pad import Crop, ZeroPad
from hw_amc.graph.ops.permute import Permute
from hw_amc.graph.ops.pool import AvgPool1d, GlobalAvgPool1d, GlobalMaxPool1d, MaxPool1d, MaxPool2d, mean_format
from hw_amc.graph.ops.quantize import Quantize
from hw_amc.graph.ops.recurrent import Recurrent
from hw_amc.graph.ops.reshape import Reshape
from hw_amc.graph.ops.reverse import Reverse
from hw_amc.graph.ops.table import Table, tabulate

#: Short names of the operations that we have; a new one is found in `OPS` and imported from its own file.
__all__ = [
    "OPS", "Add", "Affine", "AvgPool1d", "Concatenate", "Conv1d", "Conv2d", "Crop", "Dense", "GlobalAvgPool1d",
    "GlobalMaxPool1d", "Graph", "Gru", "Input", "Linear", "Lstm", "MaxPool1d", "MaxPool2d", "MeanPool", "Multiply",
    "Node", "Permute", "Quantize", "Recurrent", "Reshape", "Reverse", "Subtract", "Table", "Weights", "ZeroPad",
    "common_format", "difference_format", "linear_range", "mean_format", "product_format", "reciprocals", "sum_format",
    "tabulate",
]  # fmt: skip
