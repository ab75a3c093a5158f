"""Run by /usr/bin/python3.11, which has Debian's GNU Radio: what its channel and modulators make, as an .npz file.

    /usr/bin/python3.11 gnuradio_oracle.py RESULT.npz

Nothing here is a test; `test_radio_gnuradio.py` compares the numbers with ours.
"""

from __future__ import annotations

import sys

import numpy as np
from gnuradio import analog, blocks, channels, digital, gr

RATE = 200e3


def run(samples: np.ndarray, *chain: object) -> np.ndarray:
    """Send samples through blocks; bytes and complex samples alike."""
    top, sink = gr.top_block(), blocks.vector_sink_c()
    data = samples.tolist()
    source = blocks.vector_source_b(data) if samples.dtype == np.uint8 else blocks.vector_source_c(data)
    top.connect(source, *chain, sink)
    top.run()
    return np.array(sink.data(), np.complex64)


def channel(seed: int, **change: object) -> object:
    """RadioML 2016.10A's channel without noise, or with other parameters."""
    p = {"sro": (0.0, 50.0), "cfo": (0.0, 500.0), "n": 8, "doppler": 1.0, "los": True, "k": 4.0,
         "delays": [0.0, 0.9, 1.7], "mags": [1.0, 0.8, 0.3], "taps": 8, "noise": 0.0, **change}  # fmt: skip
    return channels.dynamic_channel_model(
        RATE, *p["sro"], *p["cfo"], p["n"], p["doppler"], p["los"], p["k"], p["delays"], p["mags"], p["taps"],
        p["noise"], seed,
    )  # fmt: skip


def clear(**change: object) -> dict[str, object]:
    """One path that does not fade."""
    return {"doppler": 0.0, "k": 1e9, "delays": [0.0], "mags": [1.0], "taps": 1, **change}


def main(path: str) -> None:
    """Make everything and save it."""
    seeds = range(1, 201)
    ones = np.ones(3000, np.complex64)
    impulses = np.zeros(3000, np.complex64)
    impulses[500::40] = 1
    tone = np.exp(2j * np.pi * 0.05 * np.arange(12000)).astype(np.complex64)
    bits = np.random.default_rng(7).integers(0, 2, 400).astype(np.uint8)
    quick = {"doppler": 0.005 * RATE}
    one = {"delays": [0.0], "mags": [1.0], "taps": 1}
    np.savez(
        path,
        # (seeds, 2000): gains of one path with and without line of sight, Doppler 0.005 cycles a sample
        sight=np.stack([run(ones, channel(s, **quick, **one))[500:2500] for s in seeds]),
        scatter=np.stack([run(ones, channel(s, **quick, **one, los=False))[500:2500] for s in seeds]),
        # (seeds, samples): impulses every 40 samples through the full profile
        impulses=np.stack([run(impulses, channel(s, **quick))[500:2500] for s in seeds]),
        # (seeds, 2500): a constant with the carrier's walk alone
        carrier=np.stack([run(ones, channel(s, **clear(cfo=(0.5, 500.0))))[:2500] for s in seeds]),
        tight=np.stack([run(ones, channel(s, **clear(cfo=(0.5, 8.0))))[:2500] for s in seeds]),
        # (seeds, 10000): a tone of 0.05 cycles a sample with the clock's walk alone
        clock=np.stack([run(tone, channel(s, **clear(sro=(0.5, 50.0))))[:10000] for s in range(1, 101)]),
        noise=np.stack([run(0 * ones, channel(s, **clear(noise=0.25)))[:2500] for s in range(1, 31)]),
        bits=bits,
        cpfsk=run(bits, analog.cpfsk_bc(0.5, 1.0, 8)),
        gfsk=run(np.packbits(bits), digital.gfsk_mod(8, sensitivity=0.1, bt=0.35)),
    )


if __name__ == "__main__":
    main(sys.argv[1])
