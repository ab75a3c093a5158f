"""What a network means: fixed point, the integer graph and its operations, and the golden interpreter."""

from hw_amc.graph.graph import (
    OPS,
    Add,
    Affine,
    AvgPool1d,
    Conv1d,
    Conv2d,
    Dense,
    GlobalAvgPool1d,
    GlobalMaxPool1d,
    Graph,
    Gru,
    Input,
    Lstm,
    MaxPool1d,
    MaxPool2d,
    Node,
    Quantize,
    Reshape,
    Weights,
    linear_range,
    sum_format,
)  # fmt: skip

__all__ = [
    "OPS", "Add", "Affine", "AvgPool1d", "Conv1d", "Conv2d", "Dense", "GlobalAvgPool1d", "GlobalMaxPool1d", "Graph",
    "Gru", "Input", "Lstm", "MaxPool1d", "MaxPool2d", "Node", "Quantize", "Reshape", "Weights", "linear_range",
    "sum_format",
]  # fmt: skip
