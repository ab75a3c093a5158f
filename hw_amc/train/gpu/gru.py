"""The GRU as a PyTorch function: on the CUDA kernel for tensors of a GPU, step by step for others."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from hw_amc.train.gpu import kernel


def _pointer(tensor: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _call(name: str, tensors: tuple[torch.Tensor, ...], shape: tuple[int, int, int]) -> None:
    device = tensors[0].device
    B, T, H = shape
    library = kernel.library(H, torch.cuda.get_device_capability(device))
    stream = ctypes.c_void_p(torch.cuda.current_stream(device).cuda_stream)
    with torch.cuda.device(device):
        code = getattr(library, name)(B, T, None, *map(_pointer, tensors), stream)
    kernel.require_no_error(code, name)


class _Gru(torch.autograd.Function):
    """h (B, T, H) from the inputs' product (B, T, 3H), the recurrent kernel (H, 3H) and its bias (3H)."""

    @staticmethod
    def forward(ctx: Any, m_x: torch.Tensor, recurrent: torch.Tensor, bias: torch.Tensor) -> Any:
        B, T, H = m_x.shape[0], m_x.shape[1], recurrent.shape[0]
        h, saved = m_x.new_empty(B, T, H), m_x.new_empty(B, T, 4, H)
        _call("gru_forward", (m_x.contiguous(), recurrent.contiguous(), bias.contiguous(), h, saved), (B, T, H))
        ctx.save_for_backward(recurrent, h, saved)
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        recurrent, h, saved = ctx.saved_tensors
        B, T, H = h.shape
        d = saved.clone()  # a second backward pass must find what the forward pass left
        _call("gru_backward", (recurrent.contiguous(), h, gradients[0].contiguous(), d), (B, T, H))
        dz, dr, dm, dc = d.unbind(2)
        d_h, d_x = torch.cat((dz, dr, dm), -1), torch.cat((dz, dr, dc), -1)
        before = torch.nn.functional.pad(h[:, :-1], (0, 0, 1, 0))
        d_recurrent = before.reshape(-1, H).T @ d_h.reshape(-1, 3 * H)
        return d_x, d_recurrent, d_h.sum((0, 1))


def run_gru(x: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Run a hard-gated GRU in floats, as `hw_amc.train.fast_gru.run_gru` does.

    Parameters
    ----------
    x : (B, T, D)
    weights : kernel (D, 3H), recurrent kernel (H, 3H), bias (2, 3H), gates in the order z, r, h

    Returns
    -------
    (B, T, H) tensor.
    """
    kernel_, recurrent, bias = weights
    m_x = x @ kernel_ + bias[0]
    if x.is_cuda:
        h: torch.Tensor = _Gru.apply(m_x, recurrent, bias[1])  # type: ignore[no-untyped-call]
        return h
    return _run_slowly(m_x, recurrent, bias[1])


def _run_slowly(m_x: torch.Tensor, recurrent: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    h, states = m_x.new_zeros(m_x.shape[0], recurrent.shape[0]), []
    for step in m_x.unbind(1):
        xz, xr, xh = step.chunk(3, -1)
        mz, mr, mh = (h @ recurrent + bias).chunk(3, -1)
        z, r = ((gate * 0.5 + 0.5).clamp(0, 1) for gate in (xz + mz, xr + mr))
        c = (xh + r * mh).clamp(-1, 1)
        h = c + z * (h - c)
        states.append(h)
    return torch.stack(states, 1)
