"""How much the known deviations hurt whoever builds on `prepare`, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .register import Deviation


@dataclass(frozen=True)
class Harm:
    """A kind of harm: its title, what it means, and the ids of the entries that do it."""

    title: str
    meaning: str
    entries: tuple[str, ...]


HARMS = (
    Harm(
        "Wrong values",
        "A quantized operator reads a value that nobody observed for it, or that was observed for somebody else: "
        "the quantized model computes with the wrong scale, or cannot compute, and nothing says so.",
        (
            *("tensors-in-nested-lists", "roles-by-value", "roles-by-keyword", "roles-by-position"),
            "roles-in-modules",
            *("dynamic-by-keyword", "dynamic-by-value", "dynamic-output-believed-quantized"),
            *(
                "absent-observer-believed",
                "reused-observer-believed-quint8",
                "reused-observer-from-afar",
                "observers-of-one-class-merged",
            ),
            *("inner-value-read-twice", "list-sharing-given-up", "sharing-with-first-argument-only"),
            *("sharing-by-position", "sharing-not-closed", "shared-observer-for-others", "quantized-input-in-list"),
            *("tensors-counted-by-position", "half-switched-off-patterns", "module-weights-unchecked"),
            *("one-sided-constraints-ignored", "standalone-output-believed-quantized"),
            *("standalone-inputs-by-keyword", "standalone-inputs-by-value", "standalone-inputs-by-class"),
            *("standalone-inputs-by-any-observer", "lstm-taken-apart-once", "parts-of-lstm-missed"),
            *("patterns-through-own-modules", "equalization-hides-quantized-inputs", "integers-observed"),
            *(
                "masks-by-keyword",
                "filled-in-values-travel-back",
                "dimensions-of-functions",
                "masks-forgotten",
                "unobserved-inputs-believed-quantized",
                "values-of-nodes-alone",
                "unobserved-outputs-in-silence",
            ),
            *("absent-observer-shared", "dicts-passed-by", "axis-of-fake-quantizers-lost"),
            "written-buffers-behind-observers",
            *("replaced-observers-shared", "shared-edges-merged", "shared-observers-believed-as-asked"),
            *("annotated-outputs-believed", "annotated-float-outputs-never-observed"),
            *("annotated-axis-of-fake-quantizers-lost", "derived-specs-merged", "numbers-equalized"),
        ),
    ),
    Harm(
        "A valid model is refused",
        "The call fails, or what it returns cannot be converted, pickled or prepared again, although all that was "
        "asked for is documented.",
        (
            *("observerless-qconfigs-fail", "masks-through-keywords-fail", "branches-flattened"),
            *("attribute-patterns-fail", "inner-qconfigs-checked", "dynamic-on-no-tensor"),
            "texts-beside-anything-fail",
            *("training-modules-have-parts", "transposed-convolutions-refused-by-eager-rules"),
            *("standalone-modules-prepared-again", "float-weights-marked", "prepared-models-not-pickled"),
            *("refused-qconfigs-stay", "tensors-asked-for-by-recursion", "half-equalization-inserts-identities"),
            *("constraints-on-meta-fail", "swapped-modules-on-two-devices", "flags-of-hooks-lost"),
            *("standalone-modules-elsewhere", "observable-modules-fail-in-training"),
            *("forward-references-fail", "derived-before-its-sources", "roots-that-share", "open-settings-override"),
            "numbers-behind-lists-fail",
            *("tuples-observed", "annotations-without-a-flag-fail", "annotated-models-look-back-alone"),
            *("observed-values-have-no-edges", "annotated-open-settings-override", "annotated-sizes-observed"),
        ),
    ),
    Harm(
        "Something else is quantized than was asked for",
        "An operator stays float that should be quantized, or is quantized that should stay float, is fused or not, "
        "swapped or not, equalized or not. The model runs, more slowly or less exactly than its owner believes.",
        (
            *("switched-off-parts-forgotten", "patterns-by-position", "extra-inputs-swallowed"),
            "methods-behind-their-modules",
            *(
                "never-observed-is-observed",
                "parts-of-lstm-observed",
                "lstm-known-by-one-class",
                "modules-swapped-by-eager-rules",
            ),
            *("swapped-modules-selected-anew", "inputs-lose-what-outputs-are", "second-names-not-swapped"),
            "ignored-qconfigs-swap",
            *("standalone-modules-swapped-by-parents", "parts-of-leaves-swapped", "own-modules-swapped"),
            "annotated-returns-observed-by-qconfig",
            *("swapped-modules-in-training-mode", "qconfig-left-on-the-float-model", "equalization-by-position"),
            *(
                "branches-of-what-has-a-qconfig",
                "branches-behind-fake-quantizers-missed",
                "float-patterns-equalized",
                "float-patterns-counted-as-observed",
            ),
        ),
    ),
    Harm(
        "A wrong call is served, or its error does not help",
        "What should be refused is not, or is refused without the name of the culprit, or leaves the caller's model "
        "changed.",
        (
            *("indexes-of-nothing-ignored", "meta-beside-cpu", "refused-half-way"),
            "refused-after-swapping",
            *("custom-modules-refused-late", "configs-not-looked-at", "qconfigs-not-looked-at"),
            *("assertion-without-words", "annotations-refused-half-way", "annotated-models-refused-half-way"),
        ),
    ),
    Harm(
        "Time and memory",
        "The result is right, and costs more than it should.",
        (
            *("answers-about-tensors-forgotten", "models-kept-alive", "traced-back-at-every-operator"),
            "annotated-graphs-kept-alive",
            *("readers-looked-at-from-each-reader", "model-walked-at-each-node", "names-tried-from-the-first"),
            *("devices-asked-at-each-observer",),
        ),
    ),
)
"""All kinds of harm that the entries of the shipped registers do."""


def by_harm(entries: Sequence[Deviation]) -> list[tuple[Harm, list[Deviation]]]:
    """Return the entries of each kind of harm, in order.

    Raises
    ------
    ValueError
        If an entry is of no kind, or of several.
    """
    known = {entry.id: entry for entry in entries}
    named = [name for harm in HARMS for name in harm.entries]
    for name in known:
        if named.count(name) != 1:
            raise ValueError(f"the deviation {name!r} is of {named.count(name)} kinds of harm; name it in one of HARMS")
    return [(harm, [known[name] for name in harm.entries if name in known]) for harm in HARMS]
