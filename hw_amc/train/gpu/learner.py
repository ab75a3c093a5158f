"""A GRU-CNN that learns on a GPU: a `Learner` by PyTorch, whose state is that of a `Trainee`: runs can change device.

Adam, the clipping of gradients and the loss are those of the processor; sums are taken in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from hw_amc.compress.magnitude import choose_masks, choose_masks_by_layer, masks_of
from hw_amc.errors import ConfigError
from hw_amc.models.gru_cnn import GruCnnSpec
from hw_amc.models.network import NetworkSpec
from hw_amc.radio import WIRE_FRAC
from hw_amc.train.checkpoint import load_arrays
from hw_amc.train.data import STILL, FrameSet, Varied, draw_cut
from hw_amc.train.gpu.network import GruCnn
from hw_amc.train.learner import by_head, draw_kernel
from hw_amc.train.recipe import Stage

Floats = np.ndarray[Any, np.dtype[np.float32]]

#: Largest norm of the whole gradient; decay of Adam's two means, and what keeps its division finite.
CLIP, DECAY, EPSILON = 1.0, (0.9, 0.999), 1e-8
#: Gates of each kernel, in the order of the layers: the GRU's recurrent kernel has three.
GATES = (0, 3, 0, 0)


def open_device(name: str) -> torch.device:
    """Take a device by PyTorch's name, such as "cuda" or "cuda:1".

    Raises
    ------
    ConfigError
        There is no such device.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"PyTorch finds no device {name!r} here; use --device cpu") from error
    torch.backends.cudnn.deterministic = True
    return device


class GpuLearner:
    """A network on a GPU, its optimiser, its masks.

    Parameters
    ----------
    spec : the network, a GRU-CNN
    stage : its dropout, teacher and frozen layers
    input_format : (bits, integer bits) onto which its input is rounded
    device : as PyTorch names it

    Raises
    ------
    ConfigError
        No such device, a network of another family, or a stage that freezes layers.
    """

    shares: tuple[float, ...] = (1.0,)

    def __init__(self, spec: NetworkSpec, stage: Stage, input_format: tuple[int, int], device: str) -> None:
        if stage.freeze:
            raise ConfigError(f"stage {stage.name!r}: layers cannot be frozen on a GPU; use --device cpu")
        self.device = open_device(device)
        self.network = GruCnn(spec, stage.dropout).to(self.device)
        self.input_format = input_format
        self.stage, self.teacher = stage, load_teacher(spec, stage, self.device)
        self.parameters = [each for each in self.network.tensors if isinstance(each, torch.nn.Parameter)]
        self.count = torch.zeros((), device=self.device)
        self.first, self.second = ([torch.zeros_like(p) for p in self.parameters] for _ in range(2))
        self.masks = [torch.ones_like(kernel) for kernel in self.network.kernels]
        self._resident: dict[int, tuple[FrameSet, torch.Tensor]] = {}

    # -- weights and state -----------------------------------------------------------------------------------

    @property
    def kernel_weights(self) -> int:
        return sum(kernel.numel() for kernel in self.network.kernels)

    @property
    def weights(self) -> list[Floats]:
        arrays: list[Floats] = self.network.weights
        return arrays

    @property
    def state(self) -> list[Floats]:
        tensors = [self.count, *self.first, *self.second, *self.masks]
        return [*self.weights, *(tensor.cpu().numpy().copy() for tensor in tensors)]

    def set_weights(self, arrays: Sequence[Floats]) -> None:
        self.network.set_weights(arrays)

    def set_state(self, arrays: Sequence[Floats]) -> None:
        number = len(self.weights)
        self.set_weights(arrays[:number])
        tensors = [self.count, *self.first, *self.second, *self.masks]
        for tensor, array in zip(tensors, arrays[number:], strict=True):
            tensor.copy_(torch.from_numpy(np.array(array, np.float32)))

    def draw_weights(self, generator: np.random.Generator) -> None:
        for kernel, gates in zip(self.network.kernels, GATES, strict=True):
            kernel.data.copy_(torch.from_numpy(draw_kernel(tuple(kernel.shape), gates, generator)))

    # -- frames ----------------------------------------------------------------------------------------------

    def crop(
        self,
        frames: FrameSet,
        rows: Any,
        length: int,
        generator: np.random.Generator,
        varied: Varied = STILL,
    ) -> tuple[torch.Tensor, Any]:
        """Cut, turn and scale frames on the GPU, by the same draws as on the processor."""
        cut = draw_cut(len(rows), frames.wire.shape[1] - length, length, generator, varied)
        wire = self._words(frames)
        chosen, starts = (self._put(np.asarray(each, np.int64)) for each in (rows, cut.starts))
        times = starts[:, None] + torch.arange(length, device=self.device)
        i, q = wire[chosen[:, None], times].float().unbind(-1)
        c, s = self._put(cut.cosines), self._put(cut.sines)
        turned = torch.stack([torch.round(c * i - s * q), torch.round(s * i + c * q)], -1)
        return turned.clamp(-(2.0**15), 2.0**15 - 1) / (1 << WIRE_FRAC), frames.labels[rows].astype(np.int32)

    def _words(self, frames: FrameSet) -> torch.Tensor:
        """The wire words of a set, which stay on the GPU."""
        if id(frames) not in self._resident:
            self._resident[id(frames)] = frames, torch.from_numpy(np.array(frames.wire)).to(self.device)
        return self._resident[id(frames)][1]

    def _put(self, array: Any) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _rounded(self, x: torch.Tensor) -> torch.Tensor:
        bits, integer = self.input_format
        step, top = 2.0 ** (bits - 1 - integer), 2 ** (bits - 1)
        return torch.round(x * step).clamp(-top, top - 1) / step

    # -- learning --------------------------------------------------------------------------------------------

    def step(self, x: torch.Tensor, labels: Any, rate: float) -> tuple[float, float]:
        self.network.train()
        x, wanted = self._rounded(x), self._put(by_head(labels)[:, 0].astype(np.int64))
        logits = self.network(x)
        loss = functional.cross_entropy(logits, wanted)
        if self.teacher is not None:
            share = self.stage.teacher_share
            loss = (1.0 - share) * loss + share * self._soft_loss(x, logits)
        gradients = torch.autograd.grad(loss, self.parameters)
        self._adam(gradients, rate)
        with torch.no_grad():
            torch._foreach_mul_(self.network.kernels, self.masks)
            right = (logits.argmax(-1) == wanted).float().mean()
        found = torch.stack([loss.detach(), right]).tolist()
        return found[0], found[1]

    def _soft_loss(self, x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Kullback-Leibler divergence from the teacher at its temperature t, times t^2, as `teacher.soft_loss`."""
        assert self.teacher is not None
        t = self.stage.temperature
        with torch.no_grad():
            taught = functional.log_softmax(self.teacher(x) / t, -1)
        given = functional.log_softmax(logits / t, -1)
        return t**2 * functional.kl_div(given, taught, log_target=True, reduction="batchmean")

    @torch.no_grad()
    def _adam(self, gradients: Sequence[torch.Tensor], rate: float) -> None:
        norm = torch.sqrt(sum((g.square().sum() for g in gradients), torch.zeros((), device=self.device)))
        if not torch.isfinite(norm):
            return
        clipped = torch._foreach_mul(gradients, CLIP / torch.clamp(norm, min=CLIP))
        self.count += 1
        slow, fast = DECAY
        torch._foreach_mul_(self.first, slow)
        torch._foreach_add_(self.first, clipped, alpha=1 - slow)
        torch._foreach_mul_(self.second, fast)
        torch._foreach_addcmul_(self.second, clipped, clipped, 1 - fast)
        correction = torch.sqrt(1 - fast**self.count) / (1 - slow**self.count)
        steps = torch._foreach_mul(self.first, rate * correction)
        roots = torch._foreach_add(torch._foreach_sqrt(self.second), EPSILON)
        torch._foreach_addcdiv_(self.parameters, steps, roots, -1.0)

    @torch.no_grad()
    def predict(self, x: torch.Tensor) -> list[Floats]:
        self.network.eval()
        return [self.network(self._rounded(x)).cpu().numpy()]

    # -- pruning and statistics ------------------------------------------------------------------------------

    def prune(self, keep: int, by_layer: bool = False) -> None:
        choose = choose_masks_by_layer if by_layer else choose_masks
        self._set_masks(choose([kernel.detach().cpu().numpy() for kernel in self.network.kernels], keep))

    def keep_zeros(self) -> None:
        self._set_masks(masks_of([kernel.detach().cpu().numpy() for kernel in self.network.kernels]))

    @torch.no_grad()
    def _set_masks(self, masks: Any) -> None:
        for kernel, variable, mask in zip(self.network.kernels, self.masks, masks, strict=True):
            variable.copy_(torch.from_numpy(mask.astype(np.float32)))
            kernel.mul_(variable)

    @torch.no_grad()
    def recalibrate(self, batches: list[torch.Tensor]) -> None:
        self.network.train()
        usual = [norm.momentum for norm in self.network.norms]
        for number, batch in enumerate(batches):
            for norm in self.network.norms:
                norm.momentum = number / (number + 1.0)
            self.network(self._rounded(batch))
        for norm, momentum in zip(self.network.norms, usual, strict=True):
            norm.momentum = momentum


def load_teacher(spec: NetworkSpec, stage: Stage, device: torch.device) -> GruCnn | None:
    """Build the GRU-CNN whose float weights a stage's teacher left, of any number of cells.

    Raises
    ------
    ConfigError
        The file is missing, or holds no GRU-CNN of these classes.
    """
    if stage.teacher is None:
        return None
    if not stage.teacher.exists():
        raise ConfigError(f"{stage.teacher} does not exist; run the recipe that makes it first")
    arrays, _ = load_arrays(stage.teacher)
    cells = np.shape(arrays[1])[0] if len(arrays) > 1 and np.ndim(arrays[1]) == 2 else 0
    if not isinstance(spec, GruCnnSpec) or not cells:
        raise ConfigError(f"{stage.teacher} holds no GRU-CNN, the only family that trains on a GPU; use --device cpu")
    teacher = GruCnn(replace(spec, cells=cells), 0.0)
    teacher.to(device)
    try:
        teacher.set_weights(arrays)
    except ConfigError:
        raise ConfigError(f"{stage.teacher} holds no network of {spec.name}'s classes") from None
    teacher.eval()
    return teacher
