"""Networks by name: those of every family in this folder."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from hw_amc.config import suggest
from hw_amc.errors import ConfigError
from hw_amc.models.network import NetworkSpec

#: Modules of this folder that are no family.
_OTHERS = {"activations", "blocks", "cells", "counts", "network", "registry"}

FAMILIES: tuple[str, ...] = tuple(
    module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.name not in _OTHERS
)

#: Every network that the project offers; a family lists its own in `NETWORKS`.
MODELS: dict[str, NetworkSpec] = {
    spec.name: spec for family in FAMILIES for spec in import_module(f"hw_amc.models.{family}").NETWORKS
}


def find(name: str) -> NetworkSpec:
    """Look a network up by name.

    Raises
    ------
    ConfigError
        No network has this name; the message names the nearest.
    """
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}{suggest(name, sorted(MODELS))}")
    return MODELS[name]


def from_dict(fields: Mapping[str, Any]) -> NetworkSpec:
    """Read what `NetworkSpec.to_dict` wrote.

    Raises
    ------
    ConfigError
        No such family, or its networks have other fields.
    """
    family, *_ = [fields.get("family"), None]
    if family not in FAMILIES:
        raise ConfigError(f"there is no family {family!r} of networks{suggest(str(family), list(FAMILIES))}")
    kind = type(import_module(f"hw_amc.models.{family}").NETWORKS[0])
    try:
        given = {name: value for name, value in fields.items() if name != "family"}
        given["classes"] = tuple(tuple(map(str, head)) for head in given["classes"])
        given["frame"] = tuple(map(int, given["frame"]))
        spec: NetworkSpec = kind(**given)
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"a network of family {family} has other fields: {error}") from error
    return spec
