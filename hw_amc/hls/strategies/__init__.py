"""How a constant product becomes C++, one file a strategy under hls4ml's names."""

from __future__ import annotations

from hw_amc.errors import ConfigError
from hw_amc.hls.product import Product
from hw_amc.hls.strategies import distributed_arithmetic, latency, resource
from hw_amc.hls.strategies.base import Strategy

STRATEGIES: dict[str, Strategy] = {
    found.name: found for found in (latency.LATENCY, resource.RESOURCE, distributed_arithmetic.DISTRIBUTED_ARITHMETIC)
}

__all__ = ["STRATEGIES", "Product", "Strategy", "choose", "strategy_of"]


def choose(layer: str, wanted: str | None, reuse_factor: int) -> str:
    """Return the strategy of a layer by hls4ml's name for it, whatever its case.

    By default multipliers are shared where the reuse factor is above 1; at 1 the product is an adder graph.

    Raises
    ------
    ConfigError
        hls4ml has no such strategy, or it cannot do what the reuse factor says.
    """
    if wanted is None:
        return "resource" if reuse_factor > 1 else "distributed_arithmetic"
    name = wanted.lower()
    name = {"da": "distributed_arithmetic", "distributedarithmetic": "distributed_arithmetic"}.get(name, name)
    if name not in STRATEGIES:
        raise ConfigError(f"[hls.layers.{layer}] strategy = {wanted!r} is not one of {', '.join(STRATEGIES)}")
    if reuse_factor > 1 and name != "resource":
        raise ConfigError(
            f"[hls.layers.{layer}] strategy = {wanted!r} works out all products at once; with reuse_factor = "
            f"{reuse_factor} take 'resource'"
        )
    return name


def strategy_of(product: Product) -> Strategy:
    """Return the strategy that writes a product."""
    return resource.BY_PLACE if product.places > 1 else STRATEGIES[product.strategy]
