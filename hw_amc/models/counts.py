"""Weights and products of a network by formula, so that listing networks needs no TensorFlow."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from hw_amc.models.network import NetworkSpec


@dataclass(frozen=True)
class Count:
    """What a layer has.

    Attributes
    ----------
    kernels : weights that pruning may remove
    others : biases, scales and shifts of batch normalisations
    macs : products with kernel weights, a frame
    """

    kernels: int = 0
    others: int = 0
    macs: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.kernels + other.kernels, self.others + other.others, self.macs + other.macs)


def conv(taps: int, inputs: int, outputs: int, places: int, norm: bool = False) -> Count:
    """Count a convolution with a bias; `norm`: and the batch normalisation behind it."""
    kernels = taps * inputs * outputs
    return Count(kernels, outputs * (3 if norm else 1), kernels * places)


def dense(inputs: int, outputs: int) -> Count:
    """Count a fully connected layer with a bias."""
    return conv(1, inputs, outputs, 1)


def gru(inputs: int, cells: int, steps: int) -> Count:
    """Count a GRU with Keras' `reset_after`, which has two biases."""
    kernels = 3 * cells * (inputs + cells)
    return Count(kernels, 2 * 3 * cells, kernels * steps)


class CountedSpec(NetworkSpec):
    """A network that counts itself layer by layer."""

    @property
    @abstractmethod
    def count(self) -> Count:
        """What all layers have, by formula."""

    @property
    def kernel_weights(self) -> int:
        return self.count.kernels

    @property
    def parameters(self) -> int:
        return self.count.kernels + self.count.others

    @property
    def macs(self) -> int:
        return self.count.macs
