"""Chapter *patterns*: which operators belong together and are quantized as one.

A backend names patterns.  The longest one that fits is taken, from the last
node of the graph back (PATTERNS-3); a value inside a pattern is read there and
nowhere else (PATTERNS-2); each node belongs to one match at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn
from torch.ao.quantization.backend_config import (
    BackendConfig,
    BackendPatternConfig,
    ObservationType,
)
from torch.ao.quantization.utils import MatchAllNode
from torch.fx import Graph, Node
from torch.nn.utils.parametrize import type_before_parametrizations

from .configs import reversed_pattern
from .dtypes import Values
from .entry import once_for_native
from .graphs import holds_values, operands


@dataclass(frozen=True)
class Match:
    """An occurrence of a backend's pattern.

    ``root`` reads the pattern's inputs, ``last`` gives its output; ``nodes`` are
    all of its nodes, the last one first.  ``by_count`` has how it is observed where
    that depends on the number of tensors.
    """

    config: BackendPatternConfig
    nodes: tuple[Node, ...]
    root: Node
    last: Node
    by_count: Mapping[int, ObservationType] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Candidate:
    """A pattern in reversed, nested form, such as ``(ReLU, (BatchNorm2d, Conv2d))``."""

    pattern: Any
    config: BackendPatternConfig
    options: Mapping[str, Any] = field(repr=False)

    @cached_property
    def reads(self) -> frozenset[Any]:
        """The operators that its last one reads, without numbers and what may be anything: here, ``BatchNorm2d``."""
        outer, *inner = self.pattern if isinstance(self.pattern, tuple) else (self.pattern,)
        named = [part for part in inner if outer is not getattr and part is not MatchAllNode and not is_literal(part)]
        return frozenset(part[0] if isinstance(part, tuple) else part for part in named)

    def option(self, name: str) -> Any:
        """Return what the backend says beside the pattern, as a dict or as an object; None if it does not."""
        return self.options.get(name, self.options.get(f"_{name}"))


@once_for_native
def candidates(backend: BackendConfig) -> dict[Any, list[Candidate]]:
    """Return the backend's patterns by the operator of their last node, longest first."""
    found: dict[Any, list[Candidate]] = {}
    for config in backend.configs:
        options = config.to_dict() if config.pattern is None else vars(config)
        pattern = options.get("pattern_complex_format")
        if pattern is None:
            pattern = reversed_pattern(config.pattern)
        outer = pattern[0] if isinstance(pattern, tuple) else pattern
        found.setdefault(outer, []).append(Candidate(pattern, config, options))
    for group in found.values():
        group.sort(key=lambda candidate: -length(candidate.pattern))
    return found


def length(pattern: Any) -> int:
    """Return the number of operators in a pattern."""
    return sum(map(length, pattern)) if isinstance(pattern, tuple) else 1


def find(
    graph: Graph, modules: Mapping[str, nn.Module], backend: BackendConfig, own: Mapping[Node, Match]
) -> dict[Node, Match]:
    """Return the match of each node that has one; `own` are those of modules that are a match of their own."""
    known = candidates(backend)
    uses = count_uses(graph)
    uses.update(list(own))  # once more: no pattern goes through them
    matched = dict(own)
    for node in reversed(graph.nodes):
        if node in matched or node.op not in ("call_module", "call_function", "call_method"):
            continue
        read = {operator_of(value, modules) for value in node.all_input_nodes}
        for candidate in known.get(operator_of(node, modules), ()):
            match = match_at(node, candidate, modules, uses) if candidate.reads <= read else None
            if match is not None:
                matched |= dict.fromkeys(match.nodes, match)
                break
    return matched


def match_at(node: Node, candidate: Candidate, modules: Mapping[str, nn.Module], uses: Counter[Node]) -> Match | None:
    """Return the match of one of the backend's patterns that ends in a node; None if it does not fit there."""
    tree = fit(node, candidate.pattern, modules, uses)
    return None if tree is None else _match(candidate, tree, node)


def count_uses(graph: Graph) -> Counter[Node]:
    """Return how often each value is read: twice by one operator counts as twice (PATTERNS-2)."""
    return Counter(operand.value for node in graph.nodes for operand in operands(node))


def operator_of(node: Node, modules: Mapping[str, nn.Module]) -> Any:
    """Return what a pattern names a node by: a module's type, a function, a method's name."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        return type_before_parametrizations(module) if "parametrizations" in module._modules else type(module)
    return node.target


def fit(node: Node, pattern: Any, modules: Mapping[str, nn.Module], uses: Counter[Node]) -> Any | None:
    """Fit a pattern to a node and what it reads.

    Returns
    -------
    tree or None
        The nodes in the shape of the pattern, or None if it does not fit.
    """
    outer, *inner = pattern if isinstance(pattern, tuple) else (pattern,)
    if node.op not in ("call_module", "call_function", "call_method"):
        return None
    if operator_of(node, modules) != outer:
        return None
    if outer is getattr and inner:
        return node if stands_for(inner[0], node.args[1]) else None
    if not inner:
        return node
    read = arguments_of(node, inner)
    if len(read) != len(inner):
        return None
    tree = [node]
    for part, value in zip(inner, read, strict=True):
        if part is MatchAllNode or is_literal(part):
            branch: Any = Extra(value) if part is MatchAllNode or stands_for(part, value) else None
        elif not isinstance(value, Node) or uses[value] > 1:
            return None
        else:
            branch = fit(value, part, modules, uses)
        if branch is None:
            return None
        tree.append(branch)
    return tuple(tree)


@dataclass(frozen=True)
class Extra:
    """What a pattern reads but does not own: a number, or whatever stands at ``MatchAllNode`` (PATTERNS-5)."""

    node: Any


def is_literal(part: Any) -> bool:
    """Whether a part of a pattern is a number or the like, which stands for itself (PATTERNS-7)."""
    return not isinstance(part, (tuple, str)) and not callable(part)


def has_number(pattern: Any) -> bool:
    """Whether a pattern has a number or the like, or one of those that it is nested of."""
    if not isinstance(pattern, tuple) or pattern[0] is getattr:
        return False
    return any(is_literal(part) or has_number(part) for part in pattern[1:])


def takes_number(pattern: Any, node: Node) -> bool:
    """Whether a pattern that ends with an operator takes anything where the operator is given a number or the like."""
    inner = list(pattern[1:]) if isinstance(pattern, tuple) else []
    return MatchAllNode in inner and not all(map(holds_values, arguments_of(node, inner)))


def stands_for(part: Any, value: Any) -> bool:
    """Whether a number, or the name of an attribute, is what an operator is called with."""
    return bool(value == part)


def arguments_of(node: Node, inner: list[Any]) -> list[Any]:
    """Return what a pattern's inner parts are held against.

    These are the arguments that hold values, however they are spelled; numbers
    and the like belong to the operator, unless the pattern has one, or a
    ``MatchAllNode`` for which there is nothing else.
    """
    arguments = [*node.args, *node.kwargs.values()]
    values = list(filter(holds_values, arguments))
    takes_all = any(map(is_literal, inner)) or (MatchAllNode in inner and len(values) < len(inner))
    return arguments if takes_all else values


def _match(candidate: Candidate, tree: Any, last: Node) -> Match:
    """Return the match that a fitted tree of nodes stands for."""
    nodes = tuple(_owned(tree))
    getter: Callable[[Any], Node] | None = candidate.option("root_node_getter")
    root = getter(_plain(tree)) if getter else default_root(nodes)
    return Match(candidate.config, nodes, root, last, candidate.option("num_tensor_args_to_observation_type") or {})


def default_root(nodes: tuple[Node, ...]) -> Node:
    """Return the root of a pattern that names none: its innermost operator (PATTERNS-6)."""
    return nodes[-1]


def _owned(tree: Any) -> list[Node]:
    """Return the nodes of a tree that the pattern owns, the last one first."""
    if isinstance(tree, Extra):
        return []
    return [tree] if isinstance(tree, Node) else [node for part in tree for node in _owned(part)]


def _plain(tree: Any) -> Any:
    """Return a tree of nodes alone, as a backend's own root finder expects it."""
    if isinstance(tree, Extra):
        return tree.node
    return tree if isinstance(tree, Node) else tuple(_plain(part) for part in tree)


def observation_type(match: Match, values: Values) -> ObservationType:
    """Return how a match is observed; it may depend on the number of tensors (SHARING-1, SHARING-2).

    Tensor operands count however they are spelled; numbers do not count.
    """
    by_default = match.config.observation_type
    return match.by_count.get(len(tensor_arguments(match.root, values)), by_default) if match.by_count else by_default


def tensor_arguments(root: Node, values: Values) -> list[Node]:
    """Return a node's arguments that are tensors, positional or not."""
    arguments = [*root.args, *root.kwargs.values()]
    return [a for a in arguments if isinstance(a, Node) and values.is_tensor(a)]
