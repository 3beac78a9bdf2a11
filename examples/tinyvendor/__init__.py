"""The smallest implementation that the suite can test: the reference, under another name and with a narrower claim.

Install nothing; in the folder that holds `tinyvendor`, run::

    pytest --pyargs observance.conformance --impl=tinyvendor

`CONFORMANCE` is optional. Without it every feature is taken as claimed; with it, what is not claimed is shown as "not
claimed" instead of being tested. It has exactly these four keys.

A package that is installed can be given a short name for `--impl` by an entry point in its `pyproject.toml`::

    [project.entry-points."observance.implementations"]
    tiny = "tinyvendor"
"""

from observance.reference import prepare as _prepare

CONFORMANCE = {
    "name": "tinyvendor",
    "version": "1.0",
    "features": {"static", "dynamic", "weight-only"},  # None claims every feature
    "torch": ("2.5", "2.13"),  # the first and the last release; None claims every release
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
    return _prepare(model, qconfig_mapping, is_qat, node_name_to_scope, example_inputs, **configs)
