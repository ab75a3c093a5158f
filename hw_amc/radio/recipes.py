"""What a generated data set is made of: one frozen, digestible value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from hw_amc.errors import ConfigError

#: Goes up whenever the same recipe would give other frames.
GENERATOR_VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """Parameters of the generator; (low, high) pairs are bounds of uniform draws, fresh for every frame.

    Distances in time are in samples, frequencies in cycles per sample.
    """

    #: Name under which the recipe is listed.
    name: str
    #: Root of every frame's randomness.
    seed: int = 2018
    #: Samples a frame, T.
    frame_len: int = 1024
    #: Samples a symbol, before the clock offset.
    sps: int = 8
    #: Roll-off of the root-raised-cosine pulse.
    rolloff: tuple[float, float] = (0.1, 0.4)
    #: Half length of that pulse, symbols.
    rrc_span: int = 16
    #: Bandwidth-time product of GMSK's Gaussian filter.
    gmsk_bt: float = 0.3
    #: Bandwidth of the message of the analogue modulations.
    message_band: tuple[float, float] = (0.01, 0.05)
    #: Modulation index of AM with carrier: the message's peak over the carrier.
    am_index: tuple[float, float] = (0.5, 1.0)
    #: Peak frequency deviation of FM.
    fm_deviation: tuple[float, float] = (0.02, 0.075)
    #: Standard deviation of the relative sampling clock offset.
    clock_sigma: float = 1e-4
    #: Standard deviation of the carrier frequency offset.
    carrier_sigma: float = 1e-4
    #: Propagation paths; 1 means no fading.
    paths: int = 3
    #: Rician K: line-of-sight power, all of it on path 0, over the power scattered into all paths.
    rician_k: float = 4.0
    #: Scattered power of a path over that of the path before it.
    path_decay: float = 0.5
    #: Scale of the Rayleigh-distributed delays of paths 1 and up.
    delay_spread: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("rolloff", "message_band", "am_index", "fm_deviation", "delay_spread"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ConfigError(f"recipe {self.name}: {name} must be 0 <= low <= high, not ({low}, {high})")
        limits = {
            "rolloff up to 1": self.rolloff[1] <= 1,
            "a message_band and fm_deviation below 0.2": max(*self.message_band, *self.fm_deviation) < 0.2,
            "a positive message_band and am_index": self.message_band[0] > 0 and self.am_index[0] > 0,
            "at least 2 sps, 1 rrc_span, 1 path and 16 samples": self.sps >= 2
            and self.rrc_span >= 1
            and self.paths >= 1
            and self.frame_len >= 16,
            "clock_sigma and carrier_sigma from 0 to 0.02": 0 <= self.clock_sigma <= 0.02
            and 0 <= self.carrier_sigma <= 0.02,
            "a seed, rician_k and path_decay of 0 or more": min(self.seed, self.rician_k, self.path_decay) >= 0,
            "a positive gmsk_bt": self.gmsk_bt > 0,
        }
        for need, met in limits.items():
            if not met:
                raise ConfigError(f"recipe {self.name}: needs {need}")

    def to_dict(self) -> dict[str, object]:
        """Fields and the generator's version, as JSON types."""
        fields = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        return {**fields, "generator_version": GENERATOR_VERSION}

    def digest(self) -> str:
        """SHA-256 over all that decides the frames; the name does not."""
        fields = self.to_dict()
        del fields["name"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


#: Near RadioML 2018.01A: its published random variables at sigma 1e-4 and a modest multipath channel.
RADIOML2018 = Recipe("radioml2018-v1")

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        RADIOML2018,
        replace(RADIOML2018, name="awgn-v1", clock_sigma=0.0, carrier_sigma=0.0, paths=1),
    )
}


def load_recipe(name: str) -> Recipe:
    """Find a named recipe.

    Raises
    ------
    ConfigError
        No recipe has that name.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise ConfigError(f"no recipe is called {name!r}; choose from {', '.join(RECIPES)}") from None
