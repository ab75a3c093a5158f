"""What a generated data set is made of: one frozen, digestible value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from math import pi
from typing import Any, Literal

from hw_amc.errors import ConfigError
from hw_amc.radio.classes import CLASS_SETS, ClassSet

#: Goes up whenever the same recipe would give other frames.
GENERATOR_VERSION = 1

#: Fields that came later: left out of the digest while they hold their defaults, so that earlier digests stand.
_LATER = ("class_set", "dynamic", "noise_law", "gfsk_bt", "gfsk_index", "cpfsk_index", "waveforms")


@dataclass(frozen=True)
class Dynamic:
    """Parameters of a channel that moves while a frame passes: those of GNU Radio's `dynamic_channel_model`.

    Two clipped Gaussian random walks, and paths of fixed delay that each fade as a sum of sinusoids.
    """

    #: What turns the frequencies below into cycles per sample.
    sample_rate_hz: float
    #: Step of the sampling clock's random walk, a sample; its bound.
    sro_std_hz: float
    sro_max_hz: float
    #: Step of the carrier's random walk, a sample; its bound.
    cfo_std_hz: float
    cfo_max_hz: float
    #: Sinusoids a path.
    sinusoids: int
    #: Largest Doppler shift.
    doppler_hz: float
    #: Line of sight over scattered power on path 0; 0 means no line of sight.
    rician_k: float
    #: Delay in samples and magnitude of every path.
    delays: tuple[float, ...]
    magnitudes: tuple[float, ...]
    #: Length of the impulse response.
    taps: int
    #: Samples for which both walks have run when a frame begins: bounds of a uniform draw.
    warm_up: tuple[int, int] = (50, 500)

    def __post_init__(self) -> None:
        needs = {
            "as many delays as magnitudes, at least one": len(self.delays) == len(self.magnitudes) > 0,
            "at least 1 tap and 1 sinusoid": min(self.taps, self.sinusoids) >= 1,
            "delays from 0 to taps - 1": 0
            <= min(self.delays, default=0)
            <= max(self.delays, default=0)
            <= self.taps - 1,
            "positive magnitudes and sample_rate_hz": min(self.magnitudes, default=0) > 0 < self.sample_rate_hz,
            "no negative std, max, doppler_hz or rician_k": min(
                self.sro_std_hz, self.sro_max_hz, self.cfo_std_hz, self.cfo_max_hz, self.doppler_hz, self.rician_k
            )
            >= 0,
            "sro_max_hz and cfo_max_hz up to 2 % of the sample rate": max(self.sro_max_hz, self.cfo_max_hz)
            <= 0.02 * self.sample_rate_hz,
            "doppler_hz up to a tenth of the sample rate": self.doppler_hz <= 0.1 * self.sample_rate_hz,
            "warm_up from low to high, 0 or more": 0 <= self.warm_up[0] <= self.warm_up[1],
        }
        for need, met in needs.items():
            if not met:
                raise ConfigError(f"a dynamic channel needs {need}")


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
    #: Which classes there are: a key of `hw_amc.radio.classes.CLASS_SETS`.
    class_set: str = "radioml2018"
    #: A moving channel in place of the clock, carrier and path parameters above, which are constant over a frame.
    dynamic: Dynamic | None = None
    #: "amplitude" takes 10^(-SNR/10) for the amplitude of the noise, as the published generator of RadioML 2016.10A
    #: does, so that the noise power is 10^(-SNR/5); "power" for its power.
    noise_law: Literal["power", "amplitude"] = "power"
    #: Bandwidth-time product of GFSK's Gaussian filter, and modulation index (frequency swing over symbol rate).
    gfsk_bt: float = 0.35
    gfsk_index: float = 0.8 / pi
    #: Modulation index of CPFSK.
    cpfsk_index: float = 0.5
    #: "recorded": pulses, alphabets, messages and levels as in the published file of the class set, at unit variance of
    #: the symbols (RadioML 2018.01A only); "textbook": as the modulations are defined, at unit power.
    waveforms: Literal["textbook", "recorded"] = "textbook"

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
            f"a class_set out of {', '.join(CLASS_SETS)}": self.class_set in CLASS_SETS,
            "a noise_law of power or amplitude": self.noise_law in ("power", "amplitude"),
            "waveforms textbook, or recorded with the classes of radioml2018 and one roll-off": self.waveforms
            == "textbook"
            or (self.class_set == "radioml2018" and 0 < self.rolloff[0] == self.rolloff[1]),
            "a positive gfsk_bt, and FSK indices from 0 to 2": self.gfsk_bt > 0
            and 0 < min(self.gfsk_index, self.cpfsk_index) <= max(self.gfsk_index, self.cpfsk_index) <= 2,
        }
        for need, met in limits.items():
            if not met:
                raise ConfigError(f"recipe {self.name}: needs {need}")

    @property
    def classes(self) -> ClassSet:
        """Heads, classes and cells of the frames' labels."""
        return CLASS_SETS[self.class_set]

    def to_dict(self) -> dict[str, Any]:
        """Fields and the generator's version, as JSON types."""
        later = {field.name: field.default for field in fields(self) if field.name in _LATER}
        values = {key: value for key, value in asdict(self).items() if key not in later or value != later[key]}
        listed: dict[str, Any] = json.loads(json.dumps(values))
        return {**listed, "generator_version": GENERATOR_VERSION}

    def digest(self) -> str:
        """SHA-256 over all that decides the frames; the name does not."""
        values = self.to_dict()
        del values["name"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


#: Near RadioML 2018.01A: its published random variables at sigma 1e-4 and a modest multipath channel.
RADIOML2018 = Recipe("radioml2018-v1")

#: The same without a channel.
AWGN = replace(RADIOML2018, name="awgn-v1", clock_sigma=0.0, carrier_sigma=0.0, paths=1)

#: RadioML 2018.01A as networks that were trained on the published file recognise it: offsets of clock and carrier at
#: sigma 1e-4, no paths (docs/radio.md: with paths these networks do worse).
RECORDED2018 = replace(
    RADIOML2018, name="radioml2018-v2", rolloff=(0.4, 0.4), paths=1, noise_law="amplitude", waveforms="recorded"
)

#: RadioML 2016.10A's generator (O'Shea and West 2016, github.com/radioML/dataset): its channel to the parameter, RRC
#: 0.35 over 11 symbols, GFSK of 0.1 radian a sample. Its audio is a podcast; ours has the band and level of speech.
RADIOML2016 = replace(
    AWGN,
    name="radioml2016-v1",
    seed=2016,
    frame_len=128,
    rolloff=(0.35, 0.35),
    rrc_span=6,
    message_band=(0.015, 0.04),
    am_index=(0.2, 0.5),
    fm_deviation=(0.04, 0.17),
    class_set="radioml2016",
    dynamic=Dynamic(
        sample_rate_hz=200e3,
        sro_std_hz=0.01,
        sro_max_hz=50.0,
        cfo_std_hz=0.01,
        cfo_max_hz=500.0,
        sinusoids=8,
        doppler_hz=1.0,
        rician_k=4.0,
        delays=(0.0, 0.9, 1.7),
        magnitudes=(1.0, 0.8, 0.3),
        taps=8,
    ),
)

#: The same in frames of 1,024 samples, for networks of its classes that take such (Hakimi 2024).
RADIOML2016_LONG = replace(RADIOML2016, name="radioml2016-1024-v1", frame_len=1024)

#: RadComAWGN (Jagannath and Jagannath 2021) at 10 MS/s; `hw_amc.radio.generator.radcom` holds the emitters.
RADCOM_AWGN = replace(
    AWGN,
    name="radcom-awgn-v1",
    seed=2021,
    frame_len=128,
    sps=5,
    rolloff=(0.35, 0.5),
    rrc_span=8,
    message_band=(0.03, 0.1),
    am_index=(0.5, 1.0),
    class_set="radcom-awgn",
)

#: RadComDynamic: RadComAWGN's classes that it has, through GNU Radio's channel with its published parameters.
RADCOM_DYNAMIC = replace(
    RADCOM_AWGN,
    name="radcom-dynamic-v1",
    class_set="radcom-dynamic",
    dynamic=Dynamic(
        sample_rate_hz=10e6,
        sro_std_hz=0.05,
        sro_max_hz=60.0,
        cfo_std_hz=0.05,
        cfo_max_hz=250.0,
        sinusoids=5,
        doppler_hz=2.0,
        rician_k=3.0,
        delays=(0.2, 0.3, 0.1),
        magnitudes=(1.0, 0.5, 0.5),
        taps=5,
    ),
)

#: Recipes by name. A recipe that has been published is frozen: a better one gets another name.
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        RADIOML2018,
        AWGN,
        RECORDED2018,
        replace(RECORDED2018, name="radioml2018-awgn-v2", clock_sigma=0.0, carrier_sigma=0.0),
        replace(RECORDED2018, name="radioml2018-fading-v2", paths=RADIOML2018.paths),
        RADIOML2016,
        replace(RADIOML2016, name="radioml2016-amplitude-v1", noise_law="amplitude"),
        RADIOML2016_LONG,
        RADCOM_AWGN,
        RADCOM_DYNAMIC,
    )
}

#: The newest recipe of every kind.
PRESETS: dict[str, str] = {
    "awgn": "awgn-v1",
    "radioml2018": "radioml2018-v2",
    "radioml2018-awgn": "radioml2018-awgn-v2",
    "radioml2018-fading": "radioml2018-fading-v2",
    "radioml2016": "radioml2016-v1",
    "radioml2016-amplitude": "radioml2016-amplitude-v1",
    "radioml2016-1024": "radioml2016-1024-v1",
    "radcom-awgn": "radcom-awgn-v1",
    "radcom-dynamic": "radcom-dynamic-v1",
}


def load_recipe(name: str) -> Recipe:
    """Find a recipe by its name or its preset's.

    Raises
    ------
    ConfigError
        No recipe has that name.
    """
    try:
        return RECIPES[PRESETS.get(name, name)]
    except KeyError:
        known = ", ".join((*RECIPES, *PRESETS))
        raise ConfigError(f"no recipe is called {name!r}; choose from {known}") from None
