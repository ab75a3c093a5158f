"""Figures of others that a page shows apart from ours: other hardware, real recordings."""

from __future__ import annotations

from hw_amc.models import MODELS, NetworkSpec, Published

#: Frames per second of a family's network on a Quadro M6000, by the family's source.
GPU_FRAMES_PER_S = {"Kassri et al. 2024": 13700}


def family_of(model: str) -> list[tuple[NetworkSpec, Published]]:
    """Return the networks of a model's family whose authors gave figures; none for a model that is not ours."""
    own = MODELS.get(model)
    family = [spec for spec in MODELS.values() if own is not None and type(spec) is type(own)]
    return [(spec, spec.published) for spec in family if spec.published is not None]


def by_snr(model: str) -> tuple[dict[int, float], str]:
    """Return published accuracy by SNR and whose it is: the model's own, or that of the first of its family.

    Empty where the authors gave none.
    """
    having = [(spec, figures) for spec, figures in family_of(model) if figures.by_snr]
    for spec, figures in sorted(having, key=lambda pair: pair[0].name != model):
        of = "" if spec.name == model else f", of {spec.name}"
        return figures.by_snr, f"{figures.source}{of}"
    return {}, ""


def gpu_frames_per_s(model: str) -> tuple[int, str] | None:
    """Return the published speed of a model's family on a GPU, and the source."""
    own = MODELS.get(model)
    if own is None or own.source not in GPU_FRAMES_PER_S:
        return None
    return GPU_FRAMES_PER_S[own.source], own.source
