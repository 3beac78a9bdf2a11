"""From a case to a Python file that stands alone: the definitions of the case, and a call of `prepare` with them."""

from __future__ import annotations

from .annotations_source import FX
from .brought import BACKEND_CONFIG, QUANTIZER
from .case import Case
from .source import definitions

_MAIN = """
is_qat = IS_QATSTANDALONE

if __name__ == "__main__":
    from torch.ao.quantization.fx import prepare

    tracer = TRACER
    float_model = make_model()
    model = torch.fx.GraphModule(float_model, tracer.trace(float_model))VALUES
    prepared = prepare(
        model,
        make_mapping(),
        is_qat,
        tracer.node_name_to_scope,
        make_inputs(),
        prepare_custom_config=make_custom_config(),
        backend_config=make_backend(),MORE
    )
    print(prepared)
    print(prepared(*make_inputs()))
"""


_SPOILED = """
if __name__ == "__main__":
    from types import SimpleNamespace

    from torch.ao.quantization.fx import prepare

    tracer = QuantizationTracer([], [])
    float_model = make_model()
    given = SimpleNamespace(
        float_model=float_model,
        model=torch.fx.GraphModule(float_model, tracer.trace(float_model)),
        scopes=dict(tracer.node_name_to_scope),
        qconfig_mapping=make_mapping(),
        example_inputs=make_inputs(),
        custom_config=make_custom_config(),
        backend_config=make_backend(),
        is_qat=False,
    )
    spoil(given)
    prepared = prepare(
        given.model,
        given.qconfig_mapping,
        given.is_qat,
        given.scopes,
        given.example_inputs,
        prepare_custom_config=given.custom_config,
        backend_config=given.backend_config,
    )
    print(prepared)
"""


_ANNOTATED = """
is_qat = IS_QAT

if __name__ == "__main__":
    from torchao.quantization.pt2e.prepare import prepare

    float_model = make_model()
    CAPTURE
    annotate(model)
    prepared = prepare(model, {}, is_qat)
    print(prepared)
    print(prepared(*make_inputs()))
"""

_BROUGHT_QUANTIZER = """
is_qat = IS_QAT

if __name__ == "__main__":
    import inspect
    import pkgutil
    import sys

    from torchao.quantization.pt2e.prepare import prepare

    sys.path.insert(0, "")  # what lies in the current folder may be named
    make = pkgutil.resolve_name(sys.argv[1])  # such as mypkg:MyQuantizer
    quantizer = make(is_qat=is_qat) if "is_qat" in inspect.signature(make).parameters else make()
    model = quantizer.transform_for_annotation(export(make_model()))
    quantizer.annotate(model)
    quantizer.validate(model)
    prepared = prepare(model, {}, is_qat)
    print(prepared)
    print(prepared(*make_inputs()))
"""

_MAIN_LINE = 'if __name__ == "__main__":\n'

_BROUGHT_CONFIG = {
    _MAIN_LINE: f'{_MAIN_LINE}    import pkgutil\n    import sys\n\n    sys.path.insert(0, "")\n',
    "make_backend(),": "pkgutil.resolve_name(sys.argv[1])(),  # such as mypkg:get_config",
}
"""What is replaced in a script by what, where the backend config is one that is brought."""

_EXPORTED = "model = export(float_model)"
_TRACED = """\
model = torch.fx.GraphModule(float_model, QuantizationTracer([], []).trace(float_model))
    store_values(model)"""


def _written_on_nodes(case: Case) -> str:
    """Return the calls that write what a case has on the nodes of its graph."""
    values = "\n    store_values(model)" if case.has_values else ""
    return values + ("\n    annotate(model)" if case.profile == FX else "")


def script(case: Case) -> str:
    """Return a Python file that builds the case's model and calls torch's `prepare` on it, or torchao's.

    It imports torch and, for an annotated graph, torchao, and nothing else; for an annotated model with qconfigs
    this package, where torch has no classes of annotations.

    Raises
    ------
    CaseError
        If the case cannot be built.
    """
    body = definitions(case)
    if case.profile == QUANTIZER:
        return f'"""Case {case.digest}."""\n\n{body}\n{_BROUGHT_QUANTIZER.replace("IS_QAT", str(case.is_qat))}'
    if not case.has_qconfigs:
        main = _ANNOTATED.replace("CAPTURE", _EXPORTED if case.exported else _TRACED)
        main = main.replace("IS_QAT", str(case.is_qat))
        return f'"""Case {case.digest}."""\n\n{body}\n{main}'
    main = _SPOILED if "def spoil(" in body else _MAIN.replace("IS_QAT", str(case.is_qat))
    for old, new in _BROUGHT_CONFIG.items() if case.profile == BACKEND_CONFIG else ():
        main = main.replace(old, new)
    main = main.replace("STANDALONE", "\nis_standalone_module = True" if case.is_standalone else "")
    more = "\n        _equalization_config=make_equalization()," if case.equalization else ""
    more += "\n        is_standalone_module=is_standalone_module," if case.is_standalone else ""
    main = main.replace("TRACER", "make_tracer()" if case.declared else "QuantizationTracer([], [])")
    main = main.replace("MORE", more).replace("VALUES", _written_on_nodes(case))
    return f'"""Case {case.digest}."""\n\n{body}\n{main}'
