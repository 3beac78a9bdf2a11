"""Chapter *backends*: whether the backend supports what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from observance.conformance.derived import own_backend
from observance.conformance.rules import MUST, UPSTREAM, Finding, judged, rule
from observance.conformance.trials import Trial, same_placement
from observance.reference import backends
from observance.reference.placement import is_never_observed
from observance.strategies.case import Backend, Constraint, DTypes


@rule("BACKENDS-1", MUST, "DTypeConfig: otherwise the pattern will not be quantized")
def test_an_observer_needs_a_quantized_pattern_next_to_it(trial: Trial) -> Iterator[Finding]:
    """A value is observed only if the pattern that gives it, or one that reads it, is quantized.

    A pattern is quantized if one dtype config of the backend agrees with its
    qconfig on input, weight, bias and output.
    """
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    for node in site.graph.nodes:
        makers = node in site.quantized
        readers = any(reader in site.quantized or reader in site.standalone for reader in site.plan.readers(node))
        if makers or readers or node.op == "output":
            continue
        found = seen.on(node.name)
        because = f"the backend supports neither {node.name} nor what reads it with the dtypes of their qconfigs"
        yield judged(not found, node.name, "no observer", found, because)


@rule("BACKENDS-2", UPSTREAM, "_qconfig_satisfies_dtype_config_constraints: warns that it ignores the qconfig")
def test_a_broken_constraint_is_said_aloud(trial: Trial) -> Iterator[Finding]:
    """Where a qconfig is ignored because it breaks a backend's constraint, there is a warning."""
    if trial.site is None or trial.outcome.error is not None:
        return
    said = [text for text in trial.site.plan.warnings if text.startswith(backends.ALOUD)]
    if not said:
        return
    own = [text for category, text in trial.outcome.warnings if issubclass(category, UserWarning)]
    found = "no warning" if not own else own[0]
    because = said[0]
    yield judged(bool(own), "the warnings", "a warning", found, because)


@rule("BACKENDS-3", MUST, "BackendPatternConfig: a set of supported dtypes", ("backend-configs",), True)
def test_a_dtype_config_that_nothing_agrees_with_changes_nothing(trial: Trial) -> Iterator[Finding]:
    """The order of a pattern's dtype configs, and one that no qconfig agrees with, change nothing."""
    backend = own_backend(trial.case)
    if backend is None:
        return
    odd = Constraint("torch.float64")
    patterns = tuple(
        replace(pattern, dtypes=(DTypes(odd, odd, odd), *reversed(pattern.dtypes))) for pattern in backend.patterns
    )
    more = trial.again(backend=Backend(patterns))
    yield from same_placement(trial.outcome, more, "no qconfig asks for float64")


@rule("BACKENDS-4", MUST, "INPUT_OUTPUT_NOT_OBSERVED: the input and output are never observed", ("backend-configs",))
def test_a_pattern_that_is_never_observed_is_not(trial: Trial) -> Iterator[Finding]:
    """A pattern of this observation type asks for no observer on its input or its output."""
    if trial.surveyed is None:
        return
    site, seen = trial.surveyed
    never = {node for node, q in site.quantized.items() if is_never_observed(q)}
    silent = never | {n for n in site.graph.nodes if n not in site.quantized and n not in site.standalone}
    for node in site.graph.nodes:
        concerned = node in never or any(reader in never for reader in node.users)
        if concerned and node in silent and all(reader in silent for reader in node.users):
            found = seen.on(node.name)
            because = f"all patterns that give or read {node.name} are never observed, or float"
            yield judged(not found, node.name, "no observer", found, because)
