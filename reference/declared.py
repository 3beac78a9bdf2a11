"""Chapter *declared*: what is returned by the graph, and which of it is declared as quantized.

What nodes declare of themselves is read in `values.as_told` (DECLARED-2), and which
inputs are declared as quantized in `prepare.quantized_inputs`.
"""

from __future__ import annotations

from torch.fx import Graph

from .entry import Configs
from .graphs import Operand, operands, output_of
from .site import Site


def quantized_outputs(graph: Graph, configs: Configs) -> tuple[Operand, ...]:
    """Return what is returned and declared as quantized (DECLARED-1).

    The parts of a list or a tuple are outputs of their own, as they are to
    `convert_fx`; whatever else is returned is the output 0.
    """
    output = output_of(graph)
    wanted = set(configs.custom.output_quantized_indexes)
    several = isinstance(output.args[0], (list, tuple))
    return tuple(o for o in operands(output) if (o.keys[1] if several else 0) in wanted)


def say_what_is_missing(site: Site) -> None:
    """Warn of outputs that are declared as quantized and have no observer (DECLARED-1).

    Nothing says which observer such an output should have, so it has none.
    """
    for operand in site.returned:
        if site.plan.read_at(operand) is None and operand.value not in site.quantized_inputs:
            text = f"{operand.value.name} is returned and declared as quantized, but nothing asks for an observer on it"
            site.plan.warnings.append(text)
            site.plan.decide(operand.node, str(operand), "DECLARED-1", text)
