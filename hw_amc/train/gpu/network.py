"""The GRU-CNN in PyTorch, with its weights in the order and the shapes of the Keras model's `get_weights`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from hw_amc.errors import ConfigError
from hw_amc.models.gru_cnn import CONV_FILTERS, CONV_WIDTH, DROPOUT, GruCnnSpec
from hw_amc.models.network import NetworkSpec
from hw_amc.train.gpu.gru import run_gru
from hw_amc.train.gpu.kernel import MOST_CELLS

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

#: As Keras' BatchNormalization has it, and as the networks of the family ask for it.
EPSILON, MOMENTUM = 1e-3, 0.9


class Norm(torch.nn.Module):
    """Batch normalisation over all but the last axis, with Keras' biased moving variance."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma, self.beta = (torch.nn.Parameter(fill(channels)) for fill in (torch.ones, torch.zeros))
        self.mean, self.variance = torch.zeros(channels), torch.ones(channels)
        self.momentum = MOMENTUM

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, variance = self.mean, self.variance
        if self.training:
            axes = tuple(range(x.dim() - 1))
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            self.mean = self.momentum * self.mean + (1 - self.momentum) * mean.detach()
            self.variance = self.momentum * self.variance + (1 - self.momentum) * variance.detach()
        scale = self.gamma * torch.rsqrt(variance + EPSILON)
        return x * scale + (self.beta - mean * scale)

    def _apply(self, fn: object, recurse: bool = True) -> Norm:
        """Move the statistics with the parameters."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.mean, self.variance = self.mean.to(self.gamma.device), self.variance.to(self.gamma.device)
        return self


class GruCnn(torch.nn.Module):
    """The network of `hw_amc.models.gru_cnn`: (n, T, channels) -> logits (n, classes).

    Parameters
    ----------
    spec : the network
    dropout : rate of its dropout layers; the authors' by default

    Raises
    ------
    ConfigError
        The network is of another family, or has more cells than the kernel takes.
    """

    def __init__(self, spec: NetworkSpec, dropout: float | None = None) -> None:
        super().__init__()
        if not isinstance(spec, GruCnnSpec):
            raise ConfigError(f"{spec.name} is no GRU-CNN, the only family that trains on a GPU; use --device cpu")
        if spec.cells > MOST_CELLS:
            raise ConfigError(f"{spec.cells} cells do not fit the GPU's registers ({MOST_CELLS} do); use --device cpu")
        (classes,), C, channels = spec.outputs, spec.cells, spec.frame[1]
        self.rate = DROPOUT if dropout is None else dropout
        self.kernel, self.recurrent, self.bias = _weights((channels, 3 * C), (C, 3 * C), (2, 3 * C))
        self.gru_norm = Norm(C)
        self.conv1, self.conv1_bias = _weights((CONV_WIDTH, C, CONV_FILTERS), (CONV_FILTERS,))
        self.conv1_norm = Norm(CONV_FILTERS)
        self.conv2, self.conv2_bias = _weights((CONV_WIDTH, CONV_FILTERS, classes), (classes,))
        self.conv2_norm = Norm(classes)
        self.head_norm = Norm(classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = run_gru(x, (self.kernel, self.recurrent, self.bias))
        x = functional.dropout(torch.relu(self.gru_norm(h)), self.rate, self.training)
        x = torch.relu(self.conv1_norm(_convolve(x, self.conv1, self.conv1_bias)))
        x = x[:, : x.shape[1] // 2 * 2].unflatten(1, (-1, 2)).mean(2)
        x = functional.dropout(x, self.rate, self.training)
        x = torch.relu(self.conv2_norm(_convolve(x, self.conv2, self.conv2_bias)))
        logits: torch.Tensor = self.head_norm(x.mean(1))
        return logits

    @property
    def kernels(self) -> list[torch.Tensor]:
        """Weights that pruning may remove, in the order of the layers."""
        return [self.kernel, self.recurrent, self.conv1, self.conv2]

    @property
    def norms(self) -> list[Norm]:
        """Its batch normalisations."""
        return [self.gru_norm, self.conv1_norm, self.conv2_norm, self.head_norm]

    @property
    def weights(self) -> list[Floats]:
        """All weights and statistics, as Keras' `get_weights` gives them."""
        return [tensor.detach().cpu().numpy().copy() for tensor in self.tensors]

    def set_weights(self, arrays: Sequence[Floats]) -> None:
        """Take weights and statistics in the order of `weights`.

        Raises
        ------
        ConfigError
            They belong to another network.
        """
        tensors = self.tensors
        if [tuple(t.shape) for t in tensors] != [np.shape(a) for a in arrays]:
            raise ConfigError("the file holds the weights of another network")
        with torch.no_grad():
            for tensor, array in zip(tensors, arrays, strict=True):
                tensor.copy_(torch.from_numpy(np.array(array, np.float32)))

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Weights (parameters) and statistics in the order of Keras' `get_weights`."""

        def norm(each: Norm) -> list[torch.Tensor]:
            return [each.gamma, each.beta, each.mean, each.variance]

        return [
            self.kernel, self.recurrent, self.bias, *norm(self.gru_norm),
            self.conv1, self.conv1_bias, *norm(self.conv1_norm),
            self.conv2, self.conv2_bias, *norm(self.conv2_norm), *norm(self.head_norm),
        ]  # fmt: skip


def _weights(*shapes: tuple[int, ...]) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]


def _convolve(x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Convolve (n, T, channels) with a Keras kernel (width, channels, filters), padded to the same length."""
    y = functional.conv1d(x.transpose(1, 2), kernel.permute(2, 1, 0), bias, padding="same")
    return y.transpose(1, 2)
