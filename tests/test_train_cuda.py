"""The CUDA kernel's text, compiled against a stand-in for CUDA's threads: it computes what the C++ kernel computes."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_amc.errors import ToolMissing
from hw_amc.train import kernel
from hw_amc.train.gpu import kernel as cuda

STANDIN = Path(__file__).parent / "standins" / "cuda.h"
#: Cells of the GRU under test; frames that fill its last block in part, samples, channels.
H, B, T, D = 5, 4, 9, 2
LEVELS = (2.0**8, 2.0**7, 2.0**7)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("cuda")
    compiler = ["g++", "-x", "c++", "-std=c++20", "-O1", "-shared", "-fPIC", "-pthread", "-include", STANDIN]
    cuda.compile_kernel(compiler, H, folder)
    return cuda.load_kernel(folder)


def draw(levels: kernel.Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """Inputs and weights that saturate some gates; multiples of 2^-7 where they are quantised."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(B, T, D))
    weights = tuple(generator.normal(0, 0.6, shape) for shape in ((D, 3 * H), (H, 3 * H), (2, 3 * H)))
    if levels is not None:
        x, *weights = (np.rint(array * 128) / 128 for array in (x, *weights))
    first, *others = (np.ascontiguousarray(array, np.float32) for array in (x, *weights))
    return first, (others[0], others[1], others[2])


def pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def run_cuda(library: Any, x: Any, weights: Any, levels: Any, dh: Any) -> tuple[Any, Any, Any, Any]:
    """h, and the gradients of kernel, recurrent kernel and bias, with the products that PyTorch takes on a GPU."""
    kernel_, recurrent, bias = weights
    m_x = np.ascontiguousarray(x @ kernel_ + bias[0])
    h, kept = np.empty((B, T, H), np.float32), np.empty((B, T, 4, H), np.float32)
    given = None if levels is None else (ctypes.c_float * 3)(*levels)
    arrays = [pointer(array) for array in (m_x, recurrent, bias[1].copy(), h, kept)]
    assert library.gru_forward(B, T, given, *arrays, None) == 0
    assert library.gru_backward(B, T, given, pointer(recurrent), pointer(h), pointer(dh), pointer(kept), None) == 0
    dz, dr, dm, dc = kept.transpose(2, 0, 1, 3)
    d_h, d_x = np.concatenate((dz, dr, dm), -1), np.concatenate((dz, dr, dc), -1)
    before = np.concatenate((np.zeros((B, 1, H), np.float32), h[:, :-1]), 1)
    d_bias = np.stack((d_x.sum((0, 1)), d_h.sum((0, 1))))
    return h, np.einsum("btd,btg->dg", x, d_x), np.einsum("btk,btg->kg", before, d_h), d_bias


@pytest.mark.parametrize("levels", [None, LEVELS], ids=["float", "quantised"])
def test_the_cuda_kernel_equals_the_cpp_kernel(library: ctypes.CDLL, levels: Any) -> None:
    x, weights = draw(levels)
    dh = np.random.default_rng(6).normal(size=(B, T, H)).astype(np.float32)
    h, saved = kernel.forward(x, weights, levels, keep=True)
    _, *expected = kernel.backward(x, weights[:2], levels, (h, saved, dh), want_dx=False)
    states, *gradients = run_cuda(library, x, weights, levels, dh)
    if levels is None:
        np.testing.assert_allclose(states, h, atol=2e-6)
    else:
        np.testing.assert_array_equal(states, h)
        assert len(np.unique(states)) > 50
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
        assert np.abs(wanted).max() > 0.1


def test_saturated_gates_stop_the_gradient(library: ctypes.CDLL) -> None:
    x, (kernel_, recurrent, bias) = draw(None)
    weights = (kernel_ * 0, recurrent * 0, np.full_like(bias, 9.0))
    dh = np.ones((B, T, H), np.float32)
    h, *gradients = run_cuda(library, x, weights, None, dh)
    np.testing.assert_array_equal(h, np.zeros_like(h))  # z = 1 keeps the first state
    assert not any(gradient.any() for gradient in gradients)


def test_without_nvcc_one_line_names_the_way_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"nvcc is not on PATH; .*--device cpu"):
        cuda.find_nvcc()


def test_nvcc_keeps_the_weights_in_registers(tmp_path: Path) -> None:
    try:
        nvcc = cuda.find_nvcc()
    except ToolMissing:
        pytest.skip("nvcc is not here: CUDA's toolkit")
    flags = [*cuda.FLAGS, "-Xcompiler", "-fPIC", "-gencode=arch=compute_80,code=sm_80", "-Xptxas", "-v"]
    cuda.compile_kernel([nvcc, *flags], 80, tmp_path, log=tmp_path / "log")
    printed = (tmp_path / "log").read_text(encoding="utf-8")
    assert printed.count("0 bytes spill stores, 0 bytes spill loads") == 3
    cuda.load_kernel(tmp_path)
