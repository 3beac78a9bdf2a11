"""Where tinyvendor's observers go: one pass over the graph, which decides what each operator reads and gives."""

from torch.ao.quantization.backend_config import ObservationType

from observance.reference.dtypes import FLOAT, is_first_argument, role, spec_for
from observance.reference.graphs import operands
from observance.reference.plan import Slot
from observance.reference.specs import OBSERVED_DTYPES

UNOBSERVED = ObservationType.INPUT_OUTPUT_NOT_OBSERVED
SHARED = ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT


class Placement:
    """The observers of one graph. A slot is the place of one; `owner` says whose observer stands in it."""

    def __init__(self, site):
        self.site, self.plan = site, site.plan
        self.output = {}  # the slot behind each operator that has one
        self.wanted = {}  # the slots that readers have asked for, by value and by what they asked for
        self.behind = {}  # the slot that is found behind each value when one looks back through the graph
        self.owner = {}

    def decide(self):
        """Decide it all, node by node, and return the plan."""
        for node in self.site.graph.nodes:
            for operand in operands(node):
                if operand.value in self.output:
                    self.plan.read(operand, self.output[operand.value])
            pattern = self.site.quantized.get(node)
            if pattern is not None and pattern.observation is not UNOBSERVED:
                self.decide_around(node, pattern)
            self.behind[node] = next(iter(self.seen_by(operands(node)[:1])), None)
        self.plan.shares = {slot: self.find(slot) for slot in self.plan.slots}
        self.give_their_own()
        return self.plan

    def decide_around(self, node, pattern):
        """Decide what the first operator of a pattern reads, and what the last one gives."""
        if node is pattern.match.root:
            for operand in operands(node):
                self.decide_input(operand, pattern.ask)
        if node is pattern.match.last:
            self.decide_output(node, pattern)

    def decide_input(self, operand, ask):
        """Let an operand read an observer of the dtype that is asked for, unless it does already."""
        spec, value = spec_for(operand, ask, self.site.positions), operand.value
        if spec is None or not spec.is_observed or not self.site.values.is_observable(value):
            return
        above = self.output.get(value)
        dtype = FLOAT if above is None else above.spec.dtype
        if spec.is_dynamic:
            needed = is_first_argument(operand, self.site.positions)
        else:
            needed = dtype != spec.dtype and not ask.reuse
        if needed:
            if (value, spec) not in self.wanted:
                self.wanted[value, spec] = self.add(value, above, spec)
            self.plan.read(operand, self.wanted[value, spec])

    def decide_output(self, last, pattern):
        """Observe what a pattern gives: by an observer of its own, or by that of its inputs."""
        ask = pattern.ask
        if (
            ask.activation is None
            or ask.output_dtype not in OBSERVED_DTYPES
            or not self.site.values.is_observable(last)
        ):
            return
        shared = pattern.observation is SHARED
        if not shared and not ask.reuse:
            self.output[last] = self.add(last, None, ask.activation)
            return
        read = [operand for operand in operands(pattern.match.root) if self.is_activation(operand)]
        inputs = self.seen_by(read)
        if inputs:
            first = inputs[0]
            self.output[last] = self.add(last, None, self.find(first).spec)
            self.share(first, self.output[last])

    def is_activation(self, operand):
        """Whether an operand is a float tensor that is neither a weight nor a bias."""
        return role(operand, self.site.positions) == "activation" and self.site.values.is_observable(operand.value)

    def seen_by(self, read):
        """Return the slots that some operands read, or that are found further back."""
        found = [self.plan.read_at(operand) or self.behind.get(operand.value) for operand in read]
        return [slot for slot in found if slot is not None]

    def give_their_own(self):
        """Give readers that got another one's observer by sharing, and do not share themselves, one of their own."""
        for (value, spec), slot in self.wanted.items():
            if self.find(slot).spec != spec:
                places = [place for place, read in self.plan.reads.items() if read is slot]
                apart = [place for place in places if self.site.quantized[place[0]].observation is not SHARED]
                if apart:
                    own = self.add(value, slot.below, spec)
                    self.plan.shares[own] = own
                    self.plan.reads.update(dict.fromkeys(apart, own))

    def add(self, value, below, spec):
        """Add a slot with an observer of its own."""
        slot = Slot(value, below, spec, "", "")
        self.plan.slots.append(slot)
        return slot

    def find(self, slot):
        """Return the slot whose observer another one has."""
        while slot in self.owner:
            slot = self.owner[slot]
        return slot

    def share(self, slot, other):
        """Let two slots, and all that share with them, have one observer."""
        slot, other = self.find(slot), self.find(other)
        if slot is not other:
            self.owner[other] = slot
