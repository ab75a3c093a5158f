"""Channel and modulators against GNU Radio's own, by their statistics: each figure of ours beside one of theirs."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_amc.radio import RECIPES
from hw_amc.radio.generator import waveforms
from hw_amc.radio.generator.propagation import Fortune, Moving
from hw_amc.radio.generator.recipes import Dynamic

PYTHON = Path("/usr/bin/python3.11")
ORACLE = Path(__file__).parent / "gnuradio_oracle.py"
BASE = RECIPES["radioml2016-v1"].dynamic
assert BASE is not None
STILL = replace(BASE, sro_std_hz=0.0, cfo_std_hz=0.0, warm_up=(0, 0))
QUICK = replace(STILL, doppler_hz=0.005 * BASE.sample_rate_hz)
ONE = replace(QUICK, delays=(0.0,), magnitudes=(1.0,), taps=1)
CLEAR = replace(ONE, doppler_hz=0.0, rician_k=1e9)

pytestmark = pytest.mark.gnuradio


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    has = PYTHON.exists() and subprocess.run([PYTHON, "-c", "import gnuradio.channels"], capture_output=True)
    if not has or has.returncode:
        pytest.skip("GNU Radio is not installed; apt-get install gnuradio")
    path = tmp_path_factory.mktemp("gnuradio") / "made.npz"
    done = subprocess.run([PYTHON, ORACLE, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(np.load(path))


def ours(dynamic: Dynamic, sent: np.ndarray, count: int, length: int) -> np.ndarray:
    """Send a signal, whose sample 0 begins the frame, through as many channels."""
    moving = Moving(dynamic, length)
    rng = np.random.default_rng(5)
    before = np.zeros(moving.extent.first) if np.isrealobj(sent) else sent[: moving.extent.first]
    whole = np.concatenate([before, sent, np.zeros(100)])[: moving.extent.made].astype(np.complex64)
    steps = rng.standard_normal((count, moving.steps), dtype=np.float32)
    luck = Fortune({}, rng.random((count, moving.uniforms)), rng.standard_normal((count, moving.normals)), steps)
    return moving.apply(np.tile(whole, (count, 1)), luck)


def autocorrelation(h: np.ndarray) -> np.ndarray:
    lags = range(0, 420, 20)
    return np.array([(h[:, :1500] * h[:, lag : lag + 1500].conj()).mean() for lag in lags])


@pytest.mark.parametrize(("key", "k"), [("sight", 4.0), ("scatter", 0.0)])
def test_fading_has_their_power_fourth_moment_and_doppler(theirs: dict[str, np.ndarray], key: str, k: float) -> None:
    found = [theirs[key], ours(replace(ONE, rician_k=k), np.ones(2000), 200, 2000)]
    power = [(np.abs(h) ** 2).mean() for h in found]
    fourth = [(np.abs(h) ** 4).mean() for h in found]
    assert power[1] == pytest.approx(power[0], rel=0.05)
    assert fourth[1] == pytest.approx(fourth[0], rel=0.08)
    theirs_over_lags, ours_over_lags = (autocorrelation(h) for h in found)
    np.testing.assert_allclose(ours_over_lags, theirs_over_lags, atol=0.12)


def test_the_impulse_response_has_their_profile(theirs: dict[str, np.ndarray]) -> None:
    """Impulses every 40 samples: tap powers averaged over seeds and time."""
    sent = np.zeros(2000)
    sent[20::40] = 1
    found = []
    for made in (theirs["impulses"], ours(QUICK, sent, 200, 2000)):
        profile = (np.abs(made) ** 2).mean(axis=0).reshape(-1, 40).mean(axis=0)
        found.append(np.roll(profile, 4 - int(np.argmax(profile > 0.02))))
    np.testing.assert_allclose(found[1], found[0], atol=0.05)
    assert found[1].sum() == pytest.approx(found[0].sum(), rel=0.05)


def test_the_carrier_walks_as_theirs(theirs: dict[str, np.ndarray]) -> None:
    """Frequency over 100 samples, since their table of sines has steps of its own; and the bound."""
    for key, bound in (("carrier", 500.0), ("tight", 8.0)):
        dynamic = replace(CLEAR, cfo_std_hz=0.5, cfo_max_hz=bound)
        walks = []
        for made in (theirs[key], ours(dynamic, np.ones(2500), 1000, 2500)):
            phase = np.unwrap(np.angle(made), axis=1) / (2 * np.pi)
            walks.append((phase[:, 100::100] - phase[:, :-100:100]) / 100 * BASE.sample_rate_hz)
        spread = [(walk[:, 5:] - walk[:, :-5]).std() for walk in walks]
        assert spread[1] == pytest.approx(spread[0], rel=0.1)
        assert walks[1][:, 15:].std() == pytest.approx(walks[0][:, 15:].std(), rel=0.1)
        assert max(np.abs(walk).max() for walk in walks) < bound + 1


def test_the_clock_walks_as_theirs(theirs: dict[str, np.ndarray]) -> None:
    """Lateness of a tone, an integrated random walk that the bound of 50 Hz holds back at the end."""
    tone = np.exp(2j * np.pi * 0.05 * np.arange(12000))
    made = ours(replace(CLEAR, sro_std_hz=0.5), tone, 300, 10000)
    late = []
    for samples in (theirs["clock"], made):
        turned = np.unwrap(np.angle(samples * samples[:, :1].conj()), axis=1) / (2 * np.pi * 0.05)
        late.append(turned - np.arange(10000))
    for at in (1000, 4000, 9000):
        assert late[1][:, at].std() == pytest.approx(late[0][:, at].std(), rel=0.25)


def test_their_noise_amplitude_is_an_amplitude(theirs: dict[str, np.ndarray]) -> None:
    """The quirk: handed 10^(-SNR/10), they make noise of that amplitude, so of power 10^(-SNR/5)."""
    assert (np.abs(theirs["noise"]) ** 2).mean() == pytest.approx(0.25**2, rel=0.03)


def test_cpfsk_is_theirs(theirs: dict[str, np.ndarray]) -> None:
    """The same bits at index 1/2, sample by sample up to a constant phase."""
    bits = theirs["bits"].astype(int)
    made = waveforms.cpfsk(np.concatenate([[0], bits])[None], np.array([0.0]), 8, 0.5)[0]
    turned = made[1:3000] * theirs["cpfsk"][:2999].conj()
    np.testing.assert_allclose(turned, turned[0], atol=2e-3)


def test_gfsk_is_theirs(theirs: dict[str, np.ndarray]) -> None:
    """0.1 radian a sample at 8 samples a symbol is an index of 0.8 / pi; their filter is half a sample off."""
    recipe = RECIPES["radioml2016-v1"]
    bits = theirs["bits"].astype(int)
    made = waveforms.gfsk(bits[None], np.array([0.5]), 8, recipe.gfsk_bt, recipe.gfsk_index)[0]
    step = np.diff(np.unwrap(np.angle(made)))
    reference = np.diff(np.unwrap(np.angle(theirs["gfsk"])))
    error = [np.abs(step[:2500] - reference[lag : lag + 2500]).max() for lag in range(100)]
    assert min(error) < 0.01 * 0.1
