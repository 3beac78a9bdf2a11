"""What a prepared model says of how it was prepared, in a form that can be compared.

Names of nodes are those of the float graph, and qconfigs are told by what they
construct: so two records are equal where they mean the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch.ao.quantization import QConfigMapping
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.fx import GraphModule

from observance.conformance.observation import Settings, describe
from observance.reference.specs import is_observer, settings_of
from observance.reference.state import KEY

FIELDS = (
    "node_name_to_qconfig",
    "node_name_to_scope",
    "prepare_custom_config",
    "equalization_node_name_to_qconfig",
    "qconfig_mapping",
    "is_qat",
    "observed_node_names",
    "is_observed_standalone_module",
    "standalone_module_input_quantized_idxs",
    "standalone_module_output_quantized_idxs",
)
"""All fields of the record, in order."""

Meaning: TypeAlias = "tuple[str, Any]"
"""What is compared: the text for a reader, and the content."""

ABSENT: Meaning = ("nothing", None)
"""What stands where a record has no entry."""


def record_of(prepared: GraphModule | None) -> Any:
    """Return the record of a prepared model, or None if it has none."""
    return None if prepared is None else getattr(prepared, "meta", {}).get(KEY)


def missing_fields(record: Any) -> list[str]:
    """Return the fields that a record does not have."""
    return [name for name in FIELDS if not hasattr(record, name)]


def meaning_of(qconfig: Any) -> Meaning:
    """Return what a qconfig asks for, in words and in full."""
    if qconfig is None:
        return "no qconfig", None
    names = ("input_activation" if hasattr(qconfig, "input_activation") else "activation", "weight")
    parts = [_constructed(getattr(qconfig, name, None)) for name in names]
    return " and ".join(text for text, _ in parts), tuple(content for _, content in parts)


def _constructed(constructor: Callable[[], Any] | None) -> tuple[str, Settings | str]:
    """Return what a constructor makes, in words and in full."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has doubts about some of its own default qconfigs
        made = None if constructor is None else constructor()
    if made is not None and is_observer(made):
        settings = settings_of(made)
        return describe(settings), settings
    name = type(made).__name__
    return name, name


def by_node(field: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a field that goes by nodes of the prepared graph, by those of the float graph.

    Nodes without an entry are left out; `names` has the name of each float node in
    the prepared graph.
    """
    return {name: field[prepared] for name, prepared in names.items() if prepared in field}


def mapping_entries(mapping: Any) -> dict[str, Meaning]:
    """Return each selector of a qconfig mapping, with what it asks for; numbered where the order counts."""
    if not isinstance(mapping, QConfigMapping):
        return {"the mapping": (type(mapping).__name__, None)}
    found = {"global": meaning_of(mapping.global_qconfig)}
    for kind, qconfig in mapping.object_type_qconfigs.items():
        found[f"object type {label(kind)}"] = meaning_of(qconfig)
    for number, (pattern, qconfig) in enumerate(mapping.module_name_regex_qconfigs.items()):
        found[f"regular expression {number}, {pattern!r}"] = meaning_of(qconfig)
    for name, qconfig in mapping.module_name_qconfigs.items():
        found[f"module {name!r}"] = meaning_of(qconfig)
    for place, qconfig in mapping.module_name_object_type_order_qconfigs.items():
        found[f"in module {place[0]!r}, {label(place[1])} number {place[2]}"] = meaning_of(qconfig)
    return found


def label(kind: Any) -> str:
    """Return the name of a type, a function or a method, which does not depend on where it lives in memory."""
    if isinstance(kind, str):
        return f"method {kind}"
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', kind)}"


def is_derived(selector: str) -> bool:
    """Whether a selector is for a type that preparing makes of others: a fused one, or one for training.

    What a mapping says of these may follow from what it says of the others.
    """
    return selector.startswith(("object type torch.ao.nn.", "object type torch.nn.intrinsic"))


def custom_entries(custom: Any) -> dict[str, Meaning]:
    """Return the fields of a custom config, each with its content."""
    if not isinstance(custom, PrepareCustomConfig):
        return {"the custom config": (type(custom).__name__, None)}
    return {name: (repr(content), repr(content)) for name, content in vars(custom).items()}
