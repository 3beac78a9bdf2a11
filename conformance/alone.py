"""A standalone module, prepared by itself."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from torch.fx import GraphModule, Node

from observance.conformance.observation import Observation, observe
from observance.conformance.outcomes import arguments_of
from observance.reference import modules
from observance.reference.entry import read_configs

if TYPE_CHECKING:
    from observance.conformance.trials import Trial


def prepared_alone(trial: Trial, node: Node) -> Observation | None:
    """Return what an implementation makes of a standalone module that it is given by itself.

    Returns
    -------
    Observation or None
        None if it refuses the module, or gives what cannot be held against it.
    """
    site, name = trial.site, str(node.target)
    assert site is not None, "standalone modules are told from it"
    given = arguments_of(trial.case, trial.calls.prefused)
    function = trial.calls.implementation.function
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        configs = read_configs(given.qconfig_mapping, given.custom_config, given.backend_config, given.is_qat)
        inside = modules.inside(name, given.model.get_submodule(name), site.assigned[node], configs)
        own: dict[str, Any] = {"prepare_custom_config": inside.configs.custom, "backend_config": inside.configs.backend}
        try:
            if trial.calls.prefused:
                module = given.model.get_submodule(name)
                found = function(module, inside.configs.qconfigs, inside.example_inputs, **own)
            else:
                own["is_standalone_module"] = True
                shared = inside.configs.qconfigs, given.is_qat, inside.scopes, inside.example_inputs
                found = function(inside.model, *shared, **own)
            inner = trial.outcome.inner[name]
            return observe(inner.graph, found, inner.inner) if isinstance(found, GraphModule) else None
        except Exception:  # an implementation raises what it likes: ENTRY-1 speaks of that
            return None
