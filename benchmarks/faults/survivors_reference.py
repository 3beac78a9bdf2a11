"""Why faults in the reference are not caught: what was found when each was studied, by hand."""

from __future__ import annotations

from verdicts import EQUIVALENT, OUTSIDE, Reason

_HOME = "observance.reference"


def _reason(verdict: str, text: str, *faults: str) -> Reason:
    """Return why some faults are not caught; they are named by the module and what comes after it."""
    return Reason(verdict, text, tuple(f"{_HOME}.{fault}" for fault in faults))


SURVIVORS = (
    _reason(
        EQUIVALENT,
        "None and False are the same to who asks",
        "dtypes is_never_tensor:157:8 return None",
        "dtypes is_first_argument:205:8 return None",
    ),
    _reason(
        EQUIVALENT,
        "nobody changes or hashes what is said of a standalone module",
        "site Inside:54:1 drop keyword 0",
    ),
    _reason(
        OUTSIDE,
        "what is wrong is refused either way, by another error or in other words",
        "refusals refuse_graph:67:22 other text",
        "refusals refuse_types:39:33 other text",
        "specs spec_of:130:7 drop operand 0",
    ),
    _reason(
        OUTSIDE,
        "example inputs that are no tuple may be refused or served, as REFUSALS-5 says",
        "refusals refuse_types:37:36 drop element 3",
    ),
    _reason(
        OUTSIDE,
        "the words of a warning",
        "backends _weight_objections:117:16 other text",
        "backends _weight_objections:118:80 other text",
    ),
    _reason(OUTSIDE, "a warning too many, which nothing forbids", "declared say_what_is_missing:34:8 always"),
    _reason(
        OUTSIDE,
        "the words in which the reference explains itself, and the rule that it names there",
        "placement _silent:98:54 turn comparison",
        "placement _silent:99:15 other text",
        "declared say_what_is_missing:37:12 swap first arguments",
        "specs Spec:87:18 always",
    ),
    _reason(
        OUTSIDE,
        "names of observers alone, which another implementation may choose: EQUALIZATION-5 speaks of them, of the "
        "level `UPSTREAM`, and names are left out of what tells a fault",
        "specs EQUALIZERS:47:31 drop element 0",
    ),
    _reason(
        OUTSIDE,
        "torch refuses a custom module whose weight it cannot observe, and nothing promises that: REFUSALS-2, of the "
        "level `UPSTREAM`, catches it",
        "modules observed_class:217:4 never",
        "modules quant_type:231:7 swap and/or",
    ),
    _reason(
        OUTSIDE,
        "the prepared model has the caller's own modules, as torch's has: no document promises that it has not",
        "rewrite _copy_attribute:69:25 never",
    ),
    _reason(
        OUTSIDE,
        "only a dimension that is given as a tensor would show it",
        "dtypes _NOT_TENSORS:35:17 drop element 3",
    ),
    _reason(
        OUTSIDE,
        "only an observer that is made on the meta device would show it",
        "specs settings_of:174:11 drop operand 1",
    ),
    _reason(
        OUTSIDE,
        "only an observer that is derived from others would show it, for which annotations alone ask: ANNOTATIONS-9 "
        "and ANNOTATIONS-11 catch it in annotated models, which are not tried here",
        "rewrite _make:134:4 return None",
        "specs settings_of:157:32 swap first arguments",
        "specs settings_of:168:12 drop statement",
    ),
    _reason(
        OUTSIDE,
        "only an observer of torchao's in a qconfig would show it, which torch refuses",
        "specs _is_of_torchao:101:4 return None",
    ),
    _reason(
        OUTSIDE,
        "only observers of one class whose buffers, or parts, have other names would show it: none of torch's have",
        "specs settings_of:162:25 drop element 0",
        "specs settings_of:166:21 drop element 0",
    ),
    _reason(
        OUTSIDE,
        "only two observers of a class of one's own, which differ in a buffer of eight values alone, would show it: "
        "how large a buffer may be that is compared, nothing promises",
        "specs settings_of:163:11 turn comparison",
    ),
    _reason(
        OUTSIDE,
        "only two observers of a class of one's own, of which one has None where the other has what is not compared, "
        "such as a list, would show it",
        "specs _SETTINGS:52:12 drop element 6",
    ),
)
"""The faults in the reference that are not caught, and need not be."""
