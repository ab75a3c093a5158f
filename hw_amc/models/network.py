"""What a family says of each of its networks: how to build it, its classes, its frames, the published figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from typing import Any, ClassVar

from hw_amc.config import suggest
from hw_amc.errors import ConfigError
from hw_amc.radio.classes import CLASS_SETS

#: Class names of every head, in the order of its logits.
Classes = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Published:
    """Figures of a network as they were published: real recordings, their authors' training and hardware.

    What nobody printed is None or empty.
    """

    #: Who published them, and on what.
    source: str
    #: Where the exact count is printed; a rounded one stands in `more`.
    parameters: int | None = None
    #: Accuracy over all SNRs, and at the best of them.
    average_percent: float | None = None
    best_percent: float | None = None
    memory_kb: float | None = None
    #: Accuracy (0..1) by SNR in dB.
    by_snr: dict[int, float] = field(default_factory=dict)
    #: What else is printed, in a few words.
    more: str = ""

    def __str__(self) -> str:
        """All figures but those by SNR, in a line."""
        figures = (
            ("{:,} parameters", self.parameters),
            ("{:g} % on average", self.average_percent),
            ("{:g} % at best", self.best_percent),
            ("{:,g} kB", self.memory_kb),
            ("{}", self.more or None),
        )
        return "; ".join(text.format(value) for text, value in figures if value is not None)


def by_snr(first_db: int, percent: Sequence[float], step_db: int = 2) -> dict[int, float]:
    """Accuracy (0..1) by SNR of a printed list in percent."""
    return {first_db + step_db * place: round(value / 100, 6) for place, value in enumerate(percent)}


def find_classes(asked: str | Sequence[str] | Sequence[Sequence[str]]) -> Classes:
    """Class names of every head, from a known set's name, a list of names, or such a list for each head.

    Raises
    ------
    ConfigError
        No set has this name; the message names the nearest.
    """
    if isinstance(asked, str):
        if asked not in CLASS_SETS:
            raise ConfigError(f"unknown class set {asked!r}{suggest(asked, sorted(CLASS_SETS))}")
        return tuple(head.classes for head in CLASS_SETS[asked].heads)
    if isinstance(asked[0], str):
        return (tuple(map(str, asked)),)
    return tuple(tuple(head) for head in asked)


@dataclass(frozen=True)
class NetworkSpec(ABC):
    """A network of a family.

    Attributes
    ----------
    name : as in `MODELS`
    sparsity : fraction of zero kernel weights, 0 for a dense network
    classes : class names of every head
    frame : samples T and channels of a frame
    published : figures of its authors, where they gave any
    differs : what of the published network is not reproduced, and why; empty where all is
    """

    name: str
    _: KW_ONLY
    sparsity: float = 0.0
    classes: Classes = find_classes("radioml2018")  # noqa: RUF009 - it is a tuple
    frame: tuple[int, int] = (1024, 2)
    published: Published | None = None
    differs: str = ""

    #: Where the network comes from.
    source: ClassVar[str]
    #: What its heads tell, first the one that it always has.
    tasks: ClassVar[tuple[str, ...]] = ("modulation",)

    @property
    @abstractmethod
    def summary(self) -> str:
        """The network in a few words."""

    @property
    @abstractmethod
    def kernel_weights(self) -> int:
        """Weights that pruning may remove, by formula."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Trainable parameters of the float network, by formula."""

    @property
    @abstractmethod
    def macs(self) -> int:
        """Products with kernel weights, a frame, by formula; padding counts as samples."""

    @abstractmethod
    def build(self, dropout: float | None = None) -> Any:
        """Build the float network: (n, T, channels) -> class probabilities, of every head.

        Parameters
        ----------
        dropout : rate of all dropout layers; the authors' rates by default

        Returns
        -------
        keras.Model, built of layers that `hw_amc.compress.deploy` knows.
        """

    @property
    def outputs(self) -> tuple[int, ...]:
        """Number of classes of every head."""
        return tuple(map(len, self.classes))

    @property
    def head_names(self) -> tuple[str, ...]:
        """What each head tells, for people."""
        count = len(self.classes)
        return self.tasks[:count] if count <= len(self.tasks) else tuple(f"head {n + 1}" for n in range(count))

    @property
    def kernel_nonzeros(self) -> int:
        """Kernel weights that remain after pruning."""
        return round(self.kernel_weights * (1.0 - self.sparsity))

    @property
    def nonzeros(self) -> int:
        """Remaining parameters of the float network, as published: biases and norms stay dense."""
        return self.parameters - self.kernel_weights + self.kernel_nonzeros

    def adapt(self, classes: Classes | None = None, frame: tuple[int, int] | None = None) -> NetworkSpec:
        """Give the same network other classes and frames, where they are given.

        Raises
        ------
        ConfigError
            The network has another number of heads.
        """
        if classes is not None and len(classes) != len(self.classes):
            raise ConfigError(f"{self.name} has {len(self.classes)} heads, but classes are given for {len(classes)}")
        changed = replace(self, classes=classes or self.classes, frame=frame or self.frame)
        return changed if changed == self else replace(changed, published=None)

    def to_dict(self) -> dict[str, Any]:
        """Everything that `build` needs, as JSON types; `hw_amc.models.from_dict` takes it."""
        fields = {name: value for name, value in asdict(self).items() if name not in ("published", "differs")}
        return {"family": type(self).__module__.rpartition(".")[2], **fields}
