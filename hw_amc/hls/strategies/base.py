"""What a strategy is: a product's C++, and the integers read back out of it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.hls.product import Product

Integers = NDArray[np.int64]


class Strategy(ABC):
    """One way to write a constant product as C++."""

    #: hls4ml's name.
    name: ClassVar[str]

    @abstractmethod
    def emit(self, product: Product) -> str:
        """C++ text: a struct of the product's name."""

    @abstractmethod
    def parse(self, text: str, shape: tuple[int, int]) -> tuple[Integers, Integers]:
        """Read matrix (inputs, outputs) and bias (outputs,) back out of an emitted struct."""

    @abstractmethod
    def multiplications(self, product: Product) -> int:
        """Multiplications in the text, by variables or constants."""


def struct_text(code: str, name: str) -> str:
    """Cut the struct `name` out of generated code.

    Raises
    ------
    DataError
        It is not there.
    """
    match = re.search(rf"^struct {re.escape(name)} \{{$.*?^\}};$", code, re.DOTALL | re.MULTILINE)
    if match is None:
        raise DataError(f"the generated code has no struct {name}; write the project again")
    return match.group(0)


def title(product: Product) -> str:
    """First comment line of a product."""
    return f"// {product.name}: {product.nonzeros:,} of {product.matrix.size:,} weights are not zero."
