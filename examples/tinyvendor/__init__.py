"""A vendor's package: a `prepare` for a small backend that knows inference and nothing else.

What an operator asks for is found out by observance's reference, as a fork of PyTorch would leave it to PyTorch.
Where the observers go is the vendor's own business (see `placement.py`), and that is what the suite looks at. There is
one mistake in it: docs/vendor-guide.md finds it. Install nothing; in the folder that holds `tinyvendor`, run::

    pytest --pyargs observance.conformance --impl=tinyvendor

`CONFORMANCE` is optional. Without it every feature is taken as claimed; with it, what is not claimed is shown as "not
claimed" instead of being tested. It has exactly these four keys. A package that is installed can be given a short name
for `--impl` by an entry point in its `pyproject.toml`::

    [project.entry-points."observance.implementations"]
    tiny = "tinyvendor"
"""

import warnings

from observance.reference.entry import read_configs
from observance.reference.prepare import role_positions, survey
from observance.reference.refusals import refuse_misuse
from observance.reference.rewrite import rewrite
from observance.reference.state import save

from .placement import Placement

CONFORMANCE = {
    "name": "tinyvendor",
    "version": "1.0",
    "features": {"static", "dynamic", "weight-only"},  # None claims every feature
    "torch": ("2.5", "2.15"),  # the first and the last release; None claims every release
}


def prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs):
    """Insert observers into `model`, a `GraphModule`, and return the new one.

    Parameters
    ----------
    model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs
        As `torch.ao.quantization.fx.prepare` takes them; the suite passes them by position.
    **configs
        `prepare_custom_config`, `_equalization_config`, `backend_config` and `is_standalone_module`, by keyword.

    Returns
    -------
    torch.fx.GraphModule
        A model with observers; the suite needs nothing else from an implementation.
    """
    custom, backend = configs.get("prepare_custom_config"), configs.get("backend_config")
    given = read_configs(qconfig_mapping, custom, backend, is_qat, configs.get("_equalization_config"))
    refuse_misuse(model, is_qat, node_name_to_scope, example_inputs, given)
    site = survey(model, given, node_name_to_scope, example_inputs)
    plan = Placement(site).decide()
    for text in plan.warnings:
        warnings.warn(text, stacklevel=2)
    return save(rewrite(model, plan), model, plan, given, node_name_to_scope, role_positions(given.backend), is_qat)
