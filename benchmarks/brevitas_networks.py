"""The quantised networks in ONNX of tests/data/onnx: made by Brevitas, computed by qonnx.

Needs an environment of its own (they ask for another numpy and protobuf than TensorFlow 2.14), with PyTorch:

    python3.11 -m venv brevitas && brevitas/bin/pip install torch brevitas==0.13.4 qonnx onnxoptimizer
    brevitas/bin/python benchmarks/brevitas_networks.py tests/data/onnx

`po2.onnx` has scales that are powers of two; `free.onnx` has free ones, of the weights one for each output, batch
normalisations and float biases. Beside each lie frames, and what qonnx computes of them: every quantiser's output and
the logits (`.npz`).
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import brevitas.nn as qnn  # type: ignore[import-not-found]
import numpy as np
import onnx  # type: ignore[import-not-found]
import torch
from brevitas.export import export_qonnx  # type: ignore[import-not-found]
from brevitas.quant import (  # type: ignore[import-not-found]
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    Int16Bias,
    Uint8ActPerTensorFixedPoint,
    Uint8ActPerTensorFloat,
)
from qonnx.core.modelwrapper import ModelWrapper  # type: ignore[import-not-found]
from qonnx.core.onnx_exec import execute_onnx  # type: ignore[import-not-found]
from qonnx.transformation.infer_shapes import InferShapes  # type: ignore[import-not-found]
from torch import nn

#: Samples of a frame, and frames that are computed.
SAMPLES, FRAMES = 64, 8


class PowersOfTwo(nn.Module):
    """Convolutions, one in groups, a maximum, a mean over 16 samples and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        weight: dict[str, Any] = {"weight_quant": Int8WeightPerTensorFixedPoint}
        self.frames = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, return_quant_tensor=True)
        self.conv1 = qnn.QuantConv1d(2, 8, 5, padding=2, weight_bit_width=6, bias_quant=Int16Bias, **weight)
        self.relu1 = self.relu()
        self.pool1 = nn.MaxPool1d(2)
        self.conv2 = qnn.QuantConv1d(8, 8, 3, padding=1, stride=2, groups=2, weight_bit_width=4, bias=False, **weight)
        self.relu2 = self.relu()
        self.pooled = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, return_quant_tensor=True)
        self.head = qnn.QuantLinear(8, 5, bias=True, bias_quant=Int16Bias, **weight)

    @staticmethod
    def relu() -> nn.Module:
        return qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=6, return_quant_tensor=True)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.pool1(self.relu1(self.conv1(self.frames(x))))
        return self.head(self.pooled(plain(self.relu2(self.conv2(x))).mean(dim=2)))


class Free(nn.Module):
    """Two convolutions with batch normalisations, a sum of branches, a flattened map and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        weight: dict[str, Any] = {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": 4, "bias": False}
        self.frames = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)
        self.conv1, self.norm1, self.relu1 = qnn.QuantConv1d(2, 6, 5, padding=2, **weight), nn.BatchNorm1d(6), relu(6)
        self.pool1 = nn.MaxPool1d(2)
        self.conv2, self.norm2 = qnn.QuantConv1d(6, 6, 3, padding=1, **weight), nn.BatchNorm1d(6)
        self.branch = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=6)
        self.relu2 = relu(6)
        self.pool2 = nn.AvgPool1d(4)
        self.flat = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat)
        self.dense = qnn.QuantLinear(48, 10, bias=True, weight_quant=Int8WeightPerTensorFloat, weight_bit_width=5)
        self.relu3 = relu(8)
        self.head = qnn.QuantLinear(10, 4, bias=True, weight_quant=Int8WeightPerTensorFloat)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.pool1(self.relu1(self.norm1(self.conv1(self.frames(x)))))
        x = self.relu2(self.branch(self.norm2(self.conv2(x))) + self.branch(x))
        x = self.flat(self.pool2(x)).flatten(1)
        return self.head(self.relu3(self.dense(x)))


def plain(x: Any) -> torch.Tensor:
    """The values of what may carry its scale."""
    value: torch.Tensor = getattr(x, "value", x)
    return value


def relu(bits: int) -> nn.Module:
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=bits)


def make(network: nn.Module, path: Path) -> None:
    """Let the quantisers see some signals, export, take out what names this machine, and compute the frames."""
    random = torch.Generator().manual_seed(3)
    network.train()
    for _ in range(12):
        network(torch.randn(64, 2, SAMPLES, generator=random) * 0.6)
    network.eval()
    export_qonnx(network, torch.randn(1, 2, SAMPLES, generator=random), str(path))
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                 *model.graph.output, *model.graph.initializer):  # fmt: skip
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    onnx.save(model, path)  # what the export keeps in a file beside it, too
    path.with_suffix(".onnx.data").unlink(missing_ok=True)
    compute(path)


def compute(path: Path) -> None:
    """Save frames on the grid of the wire words, and what qonnx computes of them."""
    wrapper = ModelWrapper(str(path)).transform(InferShapes())
    rng = np.random.default_rng(5)
    words = np.clip(rng.normal(0, 0.6 * 2**14, (FRAMES, 2, SAMPLES)), -(2**15), 2**15 - 1).astype(np.int16)
    name = wrapper.graph.input[0].name
    kept = [node.output[0] for node in wrapper.graph.node if node.op_type == "Quant" and node.output[0]]
    found: dict[str, list[Any]] = {}
    for frame in words:
        values = execute_onnx(wrapper, {name: (frame[None] / np.float32(2**14)).astype(np.float32)}, True)
        for tensor in [*kept, wrapper.graph.output[0].name]:
            found.setdefault(tensor, []).append(values[tensor])
    arrays = {key: np.concatenate(value) for key, value in found.items() if value[0].shape[:1] == (1,)}
    np.savez_compressed(path.with_suffix(".npz"), words=words, **arrays)


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in (("po2", PowersOfTwo), ("free", Free)):
        torch.manual_seed(7)
        make(kind(), folder / f"{name}.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
