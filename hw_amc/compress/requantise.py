"""Where a network needs quantisers that its float form does not show."""

from __future__ import annotations

from hw_amc.compress.plan import (
    MEAN_BITS,
    Affine,
    Copy,
    Frames,
    Linear,
    Plan,
    Quantise,
    Recurrent,
    StateQuantise,
    Step,
    Tabulate,
)

#: Name of the input's quantiser, and its integer bits: the range of the wire words.
INPUT, INPUT_INTEGER = "input_quant", 1


def insert_quantisers(plan: Plan) -> None:
    """Put quantisers where a tensor is wider than what multiplies it should be.

    - behind the input, onto the format that the network is trained for;
    - behind a recurrent layer, whose QKeras form gives the state before it is rounded;
    - before a table, whose input has few bits;
    - behind a mean over many samples or over no power of two, which has more bits than they;
    - behind a layer or a sum whose output goes to another layer or sum without an activation between.
    """
    for frames in plan.of(Frames):
        plan.insert_behind(frames.name, Quantise(INPUT, (frames.name,), integer=INPUT_INTEGER))
    for recurrent in plan.of(Recurrent):
        plan.insert_behind(recurrent.name, StateQuantise(_name(recurrent), (recurrent.name,)))
    for copy in plan.of(Copy):
        if copy.needs_quantiser and copy.name not in plan.outputs:
            # A mean has few values: leave room above those seen.
            quantiser = Quantise(_name(copy), (copy.name,), copy.source, bits=MEAN_BITS, margin=1.25)
            plan.insert_behind(copy.name, quantiser)
    for table in plan.of(Tabulate):
        _insert_before(plan, table)
    for step in plan.of(Step):
        if isinstance(step, Linear | Affine | Recurrent) or _joins(step):
            for name in step.inputs:
                wide = _wide_source(plan, name)
                if wide is not None:
                    plan.insert_behind(wide.name, Quantise(_name(wide), (wide.name,), wide.source))


def _name(step: Step) -> str:
    return f"{step.name}_quant"


def _insert_before(plan: Plan, table: Tabulate) -> None:
    """Put a quantiser of a table's own before it."""
    source = plan.steps[table.inputs[0]]
    while not source.source:  # a quantiser gives what comes to it
        source = plan.steps[source.inputs[0]]
    quantiser = Quantise(_name(table), table.inputs, source.source)
    plan.insert_before(table.name, quantiser)


def _joins(step: Step) -> bool:
    return isinstance(step, Copy) and (step.computes or step.kind == "Concatenate")


def _wide_source(plan: Plan, name: str) -> Step | None:
    """Step without a quantiser that a tensor comes from, by way of layers that keep formats; None for a narrow one."""
    step = plan.steps[name]
    if isinstance(step, Copy) and not _joins(step):
        return _wide_source(plan, step.inputs[0])
    if isinstance(step, Copy) and not step.computes:
        return None  # what is concatenated has formats of its own
    return step if isinstance(step, Linear | Affine | Copy) else None
