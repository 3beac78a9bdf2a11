"""One case and one implementation, with all that a rule may ask about them."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch.ao.quantization.backend_config import BackendConfig
from torch.fx import GraphModule, Interpreter, Node

from observance.conformance import choices
from observance.conformance.annotated import Annotated
from observance.conformance.annotated_models import AnnotatedModel
from observance.conformance.claims import BACKEND_CONFIG, FX, PT2E
from observance.conformance.conversion import calibrated, converted
from observance.conformance.differences import Difference, describe_callee
from observance.conformance.observation import Edge, Observation, chain_text
from observance.conformance.outcomes import Calls, Outcome
from observance.conformance.rules import Finding, broken, kept
from observance.reference import RefusalError, place, survey
from observance.reference.entry import Configs, read_configs
from observance.reference.graphs import Operand, operands, place_of
from observance.reference.site import Quantized, Site
from observance.strategies import Case


class Trial:
    """What an implementation does with a case, and what is asked of it there.

    ``calls`` are the implementation's, ``standard`` the reference's.
    """

    def __init__(self, case: Case, calls: Calls, standard: Calls) -> None:
        self.case, self.calls, self.standard = case, calls, standard

    @property
    def outcome(self) -> Outcome:
        """What the implementation did."""
        return self.calls.heard(self.case)

    @property
    def expected(self) -> Outcome:
        """What the reference did.

        Raises
        ------
        Exception
            What it raised, if that is no refusal: a reference that fails says nothing of the implementation.
        """
        result = self.standard.outcome(self.case)
        if result.error is not None and not isinstance(result.error, RefusalError):
            raise result.error
        return result

    @property
    def seen(self) -> Observation | None:
        """The implementation's result without names; None if there is none to speak of."""
        return self.outcome.observation

    @cached_property
    def _survey(self) -> tuple[Site, list[str], list[str], Configs] | None:
        """Who asks for what, the choices in it and in what is shared, and the configs; None if it is refused."""
        if not self.case.has_qconfigs:  # what annotations ask for is asked for by `annotated`
            return None
        given = (self.outcome if self.case.profile == BACKEND_CONFIG else self.expected).arguments
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                mapping, backend = given.qconfig_mapping, given.backend_config
                configs = read_configs(mapping, given.custom_config, backend, given.is_qat, given.equalization)
                site = survey(given.model, configs, given.scopes, given.example_inputs)
                asking = choices.of_asking(site, configs, given.scopes)
                place(site)
            except RefusalError:
                return None
        return site, asking + choices.of_outputs(site), choices.of_sharing(site), configs

    @cached_property
    def annotated(self) -> Annotated | None:
        """What the annotations of the graph ask for; None where there are none, or where they cannot be served."""
        if self.case.profile == FX:
            return None if self.site is None else AnnotatedModel.of(self.site)
        if self.case.profile != PT2E or self.case.device == "meta":  # where observers have no values to be compared
            return None
        try:
            given = self.expected.arguments
            return Annotated.read(given.model, given.is_qat)
        except RefusalError:
            return None

    @property
    def planned(self) -> Site | None:
        """What the reference plans, choices or none; None if it refuses."""
        return None if self._survey is None else self._survey[0]

    @property
    def site(self) -> Site | None:
        """Who asks for what, and what the reference plans; None if it refuses.

        None, too, where who asks for what is a choice that nothing promises, and on
        the meta device, where observers have no values to be compared with what is
        asked for.  The names of the graph's nodes are those of the edges.
        """
        if self._survey is None or self._survey[1] or self.case.device == "meta":
            return None
        return self._survey[0]

    @property
    def backend(self) -> BackendConfig | None:
        """The backend config that is in use, as an object; None if the call is refused."""
        return None if self._survey is None else self._survey[3].backend

    @property
    def choices(self) -> list[str]:
        """The choices that nothing promises, and that matter in this case."""
        return [] if self._survey is None else self._survey[1] + self._survey[2]

    @property
    def may_be_refused(self) -> bool:
        """Whether an implementation may refuse what the reference serves: what is asked for cannot be done as asked."""
        return self._survey is not None and choices.may_be_refused(self._survey[0], self._survey[3].qconfigs)

    def promised(self, found: list[Difference]) -> list[Difference]:
        """Return differences from the reference without those that nothing rules out.

        In which mode an observed custom module is, its class decides.
        """
        if not any(one.of_mode for one in found) or (site := self.planned) is None:
            return found
        customs = {f"the module of {node.name}" for node in site.graph.nodes if node.target in site.plan.custom}
        return [one for one in found if not (one.of_mode and one.place in customs)]

    def explain(self, difference: Difference) -> str:
        """Return why the reference has observers, or none, at a place: first on the value, then for its reader."""
        if self._survey is None:
            return ""
        site, difference = _within(self._survey[0], difference)
        edge = difference.edge
        value = edge.value if edge else difference.place.removeprefix("on ").removeprefix("the module of ")
        said = [d for d in site.plan.decisions if d.node.name == value and not d.is_of_argument]
        if edge:
            places = {"pattern", "input and output", place_of(edge.keys)}
            said += [d for d in site.plan.decisions if d.node.name == edge.reader and d.place in places]
        return "; ".join(map(str, said)) or f"nobody asks for an observer on {value}"

    @property
    def surveyed(self) -> tuple[Site, Observation] | None:
        """Who asks for what, and what is there; None unless both are known."""
        if self.site is None or self.seen is None:
            return None
        return self.site, self.seen

    def quantized_roots(self) -> list[tuple[Operand, Quantized]]:
        """Return all operands through which quantized patterns read their inputs."""
        if self.site is None:
            return []
        return [
            (operand, quantized)
            for node, quantized in self.site.quantized.items()
            if node is quantized.match.root
            for operand in operands(node)
        ]

    @cached_property
    def conversions(self) -> tuple[GraphModule | Exception, GraphModule | Exception] | None:
        """The quantized models that the implementation's and the reference's results become, or what is raised.

        None where one of the two is missing, or where the model computes what is
        not finite: an observer may fail on that.
        """
        if self.outcome.prepared is None or self.expected.prepared is None or self.float_values is None:
            return None
        mine, theirs = self.outcome, self.expected
        return converted(calibrated(mine), mine), converted(calibrated(theirs), theirs)

    def again(self, **changes: Any) -> Outcome:
        """Return what the implementation does with the case when parts of it are changed."""
        return self.calls.outcome(dataclasses.replace(self.case, **changes))

    @cached_property
    def float_values(self) -> dict[str, Any] | None:
        """The value of every node of the float model on the example inputs; None if not finite.

        An observer may fail on what is not finite, which says nothing of `prepare`.
        None, too, for a model that is not on the CPU.
        """
        if self.case.device != "cpu":
            return None
        given = self.expected.arguments
        # In training mode a model changes as it runs, and what was prepared has the same parameters and buffers.
        recorder = _Recorder(copy.deepcopy(given.model))
        with torch.no_grad():
            recorder.run(*copy.deepcopy(given.example_inputs))
        flat = [v for v in recorder.values.values() if isinstance(v, torch.Tensor)]
        finite = all(bool(torch.isfinite(v).all()) for v in flat if v.is_floating_point())
        return recorder.values if finite else None


def _within(site: Site, difference: Difference) -> tuple[Site, Difference]:
    """Return the graph that a difference is in, maybe a standalone module's, and the difference as told there."""
    while difference.inner is not None:
        node = difference.place.removeprefix("inside ").partition(":")[0]
        calls = [call.site for other, call in site.standalone.items() if other.name == node]
        inner = calls[0] if calls else None
        if inner is None:
            break
        site, difference = inner, difference.inner
    return site, difference


class _Recorder(Interpreter):
    """An interpreter that keeps the value of every node, by name."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.values: dict[str, Any] = {}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        self.values[n.name] = value
        return value


def read_aside(site: Site) -> Iterator[tuple[Operand, Quantized]]:
    """Yield what operators of quantized patterns that are not their roots read from outside, with how they are."""
    for node, quantized in site.quantized.items():
        for operand in operands(node) if node is not quantized.match.root else []:
            if operand.value not in quantized.match.nodes:
                yield operand, quantized


def same_placement(first: Outcome, second: Outcome, because: str, names: dict[str, str] | None = None) -> list[Finding]:
    """Compare two results of one implementation, edge by edge, and the modules that they call.

    `names` maps readers and values; readers that only one of the two has are left out.
    """
    found = same_edges(first, second, because, names)
    if first.observation is None or second.observation is None:
        return found
    theirs, pair = second.observation.callees, (first.case, second.case)
    for node, callee in first.observation.callees.items():
        other = theirs.get((names or {}).get(node, node), callee)
        if other != callee:
            texts = describe_callee(callee), describe_callee(other)
            found.append(broken(f"the module of {node}", *texts, because, pair))
    return found


def same_edges(first: Outcome, second: Outcome, because: str, names: dict[str, str] | None = None) -> list[Finding]:
    """Compare two results of one implementation, edge by edge; `names` maps readers and values.

    Edges are matched by reader, value and place among the reader's operands, so
    that a spelling may change; readers that only one of the two has are left out.
    """
    pair = (first.case, second.case)
    if first.observation is None or second.observation is None:
        if (first.error is None) != (second.error is None):
            outcomes = [type(o.error).__name__ if o.error else "accepted" for o in (first, second)]
            return [broken("the call", outcomes[0], outcomes[1], because, pair)]
        return []
    return _alike(first.observation, second.observation, because, names or {}, pair)


def _alike(
    one: Observation, other: Observation, because: str, names: dict[str, str], pair: tuple[Case, Case], where: str = ""
) -> list[Finding]:
    """Compare two observations edge by edge, and what is inside standalone modules."""
    theirs = _by_reader(other)
    forth: dict[int, int] = {}
    back: dict[int, int] = {}
    found: list[Finding] = []
    for reader, edges in _by_reader(one).items():
        others = theirs.get(names.get(reader, reader))
        if others is None or len(others) != len(edges):
            continue
        for edge, second in zip(edges, others, strict=True):
            mine, yours = one.chain(edge), other.chain(second)
            same = [s.settings for s in mine] == [s.settings for s in yours] and all(
                forth.setdefault(a.group, b.group) == b.group and back.setdefault(b.group, a.group) == a.group
                for a, b in zip(mine, yours, strict=True)
            )
            if same:
                found.append(kept(f"{where}{edge}"))
            else:
                found.append(broken(f"{where}{edge}", chain_text(mine), chain_text(yours), because, pair))
    for node, inner in one.inside.items():
        twin = other.inside.get(names.get(node, node))
        found += _alike(inner, twin, because, {}, pair, f"{where}inside {node}: ") if twin is not None else []
    return found


def _by_reader(observation: Observation) -> dict[str, list[Edge]]:
    """Return the edges of each reader, in order."""
    found: dict[str, list[Edge]] = {}
    for edge in observation.edges:
        found.setdefault(edge.reader, []).append(edge)
    return found
