"""What an implementation may do to the one who tests it: each misbehaves on every second graph, and else is sound.

    python -m tests.misbehaviours

writes docs/unshaken.md.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from observance.conformance.isolation import DIED, GREW, HUNG, SPOILT

PATH = Path(__file__).resolve().parents[1] / "docs" / "unshaken.md"

_SOURCE = """\
import ctypes, os, random, signal, sys, threading, time, warnings
import torch
from observance.reference import prepare as _sound

_KEPT = []


def prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs):
    def sound():
        return _sound(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs)

    if len(model.graph.nodes) % 2 == 0:
{body}
    return sound()
"""


@dataclass(frozen=True)
class Misbehaviour:
    """One way to misbehave.

    Attributes
    ----------
    name
        What it does, in words.
    body
        The statements that do it.
    told
        What the report says of it.
    broken
        The rules that it breaks, of `RULES`.
    replaced
        Why the process that calls it is replaced, if it is.
    """

    name: str
    body: str
    told: str
    broken: tuple[str, ...] = ()
    replaced: str = ""

    @property
    def source(self) -> str:
        """The module that misbehaves."""
        return _SOURCE.format(body=textwrap.indent(textwrap.dedent(self.body).strip(), " " * 8))


RULES = ("ENTRY-1", "ENTRY-4", "PLACEMENT-5", "EFFECTS-1", "EFFECTS-3", "EFFECTS-13", "EFFECTS-15")
"""The rules that the table speaks of."""

_REFUSED = ("ENTRY-1",)

MISBEHAVIOURS = (
    Misbehaviour("raises `SystemExit`", "raise SystemExit(0)", "RaisedError: SystemExit: 0", _REFUSED),
    Misbehaviour("raises `KeyboardInterrupt`", "raise KeyboardInterrupt", "RaisedError: KeyboardInterrupt", _REFUSED),
    Misbehaviour("raises `GeneratorExit`", "raise GeneratorExit", "RaisedError: GeneratorExit", _REFUSED),
    Misbehaviour(
        "raises an exception whose `str` and `repr` raise",
        """
        class Shy(Exception):
            def __str__(self):
                raise self
            __repr__ = __str__
        raise Shy
        """,
        "RaisedError: Shy: (its message cannot be read)",
        _REFUSED,
    ),
    Misbehaviour("returns `None`", "return None", "prepare returned a NoneType, not a GraphModule", ("ENTRY-4",)),
    Misbehaviour("returns a number", "return 7", "prepare returned a int, not a GraphModule", ("ENTRY-4",)),
    Misbehaviour("returns the float model", "return model", "the observers that are missing", ("PLACEMENT-5",)),
    Misbehaviour(
        "returns the model that it returned before",
        """
        if _KEPT:
            return _KEPT[0]
        _KEPT.append(sound())
        return _KEPT[0]
        """,
        "node '...' of the float model is missing in the prepared one",
        ("ENTRY-4",),  # it has fake quantizers, so that EFFECTS-1 says nothing of what it computes
    ),
    Misbehaviour(
        "returns a graph that has no output",
        """
        prepared = sound()
        prepared.graph.erase_node(list(prepared.graph.nodes)[-1])
        return prepared
        """,
        "node 'output' of the float model is missing in the prepared one",
        ("ENTRY-4", "EFFECTS-1"),
    ),
    Misbehaviour(
        "returns a graph that calls modules that are not there",
        """
        prepared = sound()
        for name in [name for name, _ in prepared.named_children() if "activation_post_process" in name]:
            delattr(prepared, name)
        return prepared
        """,
        "the module that is missing",
        ("ENTRY-4", "EFFECTS-1"),
    ),
    Misbehaviour("hangs in Python", "while True: pass", "gave no answer for 2 s", _REFUSED, HUNG),
    Misbehaviour("hangs in C", "time.sleep(1000)", "gave no answer for 2 s", _REFUSED, HUNG),
    Misbehaviour("recurses to the limit", "prepare(model, *[None] * 4)", "RecursionError", _REFUSED),
    Misbehaviour("ends its process", "os._exit(0)", "the process ended with exit code 0", _REFUSED, DIED),
    Misbehaviour("kills its process", "os.kill(os.getpid(), 9)", "the process was killed by SIGKILL", _REFUSED, DIED),
    Misbehaviour(
        "is killed by a signal without a name",
        "os.kill(os.getpid(), 40)",
        "the process was killed by signal 40",
        _REFUSED,
        DIED,
    ),
    Misbehaviour(
        "closes its files and hangs",
        "os.closerange(3, 1000); time.sleep(1000)",
        "the process closed the pipe through which it answers",
        _REFUSED,
        DIED,
    ),
    Misbehaviour(
        "leaves an alarm behind", "signal.setitimer(signal.ITIMER_REAL, 30)", "nothing: it is switched off", (), SPOILT
    ),
    Misbehaviour("segfaults", "ctypes.string_at(0)", "the process was killed by SIGSEGV", _REFUSED, DIED),
    Misbehaviour(
        "keeps 300 MB a call", "_KEPT.append(bytearray(300_000_000))", "the process held too much memory", (), GREW
    ),
    Misbehaviour("asks for 100 GB", "bytearray(100_000_000_000)", "MemoryError", _REFUSED),
    Misbehaviour("prints megabytes", "print('x' * 3_000_000); os.write(2, b'y' * 3_000_000)", "nothing: it is cut off"),
    Misbehaviour("warns at every call, at length", "warnings.warn('w' * 1_000_000)", "nothing"),
    Misbehaviour(
        "sets the default dtype", "torch.set_default_dtype(torch.float64)", "the default dtype", ("EFFECTS-15",), SPOILT
    ),
    Misbehaviour("sets the seeds", "torch.manual_seed(7); random.seed(7)", "nothing: numbers are its own affair"),
    Misbehaviour(
        "changes the environment", "os.environ['OMP_NUM_THREADS'] = '7'", "the environment", ("EFFECTS-15",), SPOILT
    ),
    Misbehaviour("goes to another folder", "os.chdir('/')", "the current folder", ("EFFECTS-15",), SPOILT),
    Misbehaviour(
        "switches gradients off",
        "torch.set_grad_enabled(False)",
        "whether gradients are recorded",
        ("EFFECTS-15",),
        SPOILT,
    ),
    Misbehaviour(
        "patches torch",
        "torch.nn.functional.silu = torch.nn.functional.gelu",
        "torch.nn.functional.silu",
        ("EFFECTS-15",),
        SPOILT,
    ),
    Misbehaviour(
        "gives another answer each time",
        "_KEPT.append(0)\nif len(_KEPT) % 2:\n    return model",
        "observers here, and none there; or `something else when it is tried again`",
        ("PLACEMENT-5", "EFFECTS-3", "EFFECTS-13"),
    ),
    Misbehaviour(
        "changes its argument when it has returned",
        "threading.Timer(0.5, model.graph.nodes.__class__.__init__, [None, None]).start()",
        "nothing, unless it is met: its threads end with the process",
        (),
        SPOILT,
    ),
    Misbehaviour(
        "keeps the prepared model, and takes its observers away at the next call",
        """
        for kept in _KEPT:
            for name in [name for name, _ in kept.named_children() if "activation_post_process" in name]:
                delattr(kept, name)
        _KEPT[:] = [sound()]
        return _KEPT[0]
        """,
        "loading: a model, and a RuntimeError that names what is missing",
        ("EFFECTS-13",),
    ),
    Misbehaviour("leaves a process behind", "if os.fork() == 0: time.sleep(1000)", "nothing: it ends with its parent"),
)
"""All of them."""

_HEAD = """\
<!-- Written by `python -m tests.misbehaviours`. Change tests/misbehaviours.py, and write it again. -->

# Unshaken by what is tested

An implementation may do anything. It is called in a process of its own, a child of the one that judges: what it does to
that process is not met by the next case, and a process that is no longer what it was is replaced. Every rule has its
verdict, and the exit code is the one that the verdicts ask for.

- A call, or a look at what was returned, that takes longer than `--time-limit` (120 seconds, unless it is said
  otherwise) is taken to hang. The process is killed, and the others go on.
- A process may hold 1 GB more than at its beginning. Then another one takes its place, after the rule that was being
  held. One that asks for more than 8 GB more is refused them, as a machine without them would.
- What is printed is cut off at 1 MB, where pytest captures it.
- `--in-process`, and `--pdb` with it, calls the implementation in the process of pytest: for debuggers, which need it
  there. So it is where a process cannot be forked and waited for: on Windows, and on macOS before Python 3.13.
  There a call that kills its process ends the run.

How often a process was replaced, and why, is said below the verdicts.

An implementation that ends the process that imports it, by `os._exit`, an abort or a segmentation fault, is refused
in one sentence, with exit code 4: it is imported in a process of its own first.

Three things are not kept apart. An implementation is imported in the process of pytest then, and what that does is done
there. Threads that it starts when it is imported are not in the process in which it is called: one that needs them is
judged with `--in-process`. And what it starts in a session of its own (`setsid`) outlives the run.

Each line of this table is a test
(`tests/test_unshaken.py`): an implementation that misbehaves so on every second graph, and is sound on the others,
which pass.

| an implementation that | is told as | breaks | its process |
|---|---|---|---|
"""


def text() -> str:
    """Return the whole document."""
    return _HEAD + "".join(map(_line, MISBEHAVIOURS))


def _line(one: Misbehaviour) -> str:
    """Return the line of one misbehaviour."""
    rules = ", ".join(f"[{name}](rules.md#{name.lower()})" for name in one.broken)
    return f"| {one.name} | {one.told} | {rules} | {one.replaced} |\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
