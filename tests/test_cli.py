"""The command `observance`: what it does, and what it says of bad input: one sentence, an exit code, no traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from observance.conformance.command import cli
from observance.strategies import Case, script
from observance.strategies.case import Annotation, Declared, Entry, Mapping
from observance.strategies.written import written_case

from .test_annotations import BYTE, SIGMOID
from .test_explaining import LINEAR, MIXED, TRAINED
from .vendors import Write

MODEL = """
    import torch
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.ReLU(), torch.nn.Flatten()).eval()
"""


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in a folder of its own."""
    monkeypatch.chdir(folder)

    def command(*arguments: str) -> Done:
        code = cli.main(arguments)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return command


def saved(folder: Path, case: Case, name: str = "case.json") -> str:
    """Write a case into a file, and return the name."""
    (folder / name).write_text(case.to_json())
    return name


def refusal(done: Done, code: int = 2) -> str:
    """The one sentence of a command that was refused."""
    assert done.code == code
    assert done.out == ""
    assert done.err.startswith("observance: ")
    assert done.err.count("\n") == 1, done.err
    assert done.err.endswith(".\n")
    return done.err.removeprefix("observance: ").strip()


# What it does


def test_a_case_is_explained(command: Command, folder: Path) -> None:
    done = command("explain", saved(folder, MIXED))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"case.json, case {MIXED.digest}: 2 observers, 8 edges, 2 of them without one.\n")
    assert "        PATTERNS-1: linear_0 and relu_1 are nodes of one pattern\n" in done.out


def test_a_python_file_is_traced_and_fused_as_prepare_fx_does(command: Command, write: Write) -> None:
    write(MODEL, "mine.py")
    done = command("explain", "mine.py")
    assert (done.code, done.err) == (0, "")
    assert "input_1 -> _0 (argument 0): HistogramObserver(quint8) #0\n" in done.out
    assert "_0 -> _2 (argument 0): HistogramObserver(quint8) #1\n" in done.out  # the ReLU is in the convolution


def test_a_python_file_says_how_it_is_to_be_prepared(command: Command, write: Write) -> None:
    write(
        MODEL
        + """
    from torch.ao.quantization import QConfigMapping
    from torch.ao.quantization.backend_config import BackendConfig
    qconfig_mapping = QConfigMapping().set_global(torch.ao.quantization.default_qconfig)
    backend_config = BackendConfig("none")
    example_inputs = (torch.randn(1, 3, 2, 2),)
    """,
        "mine.py",
    )
    done = command("explain", "mine.py")
    assert done.out.startswith("mine.py: 0 observers, 4 edges, 4 of them without one.")
    assert "_0 is in none of the backend's patterns" in done.out


def test_example_inputs_say_what_is_no_float_tensor(command: Command, write: Write) -> None:
    write("import torch\nmodel = torch.nn.Sequential(torch.nn.ReLU())\nexample_inputs = (torch.arange(3),)", "mine.py")
    assert "DTYPES-1" in command("explain", "mine.py").out


def test_a_file_may_ask_for_training(command: Command, write: Write) -> None:
    write(MODEL.replace("eval()", "train()") + "\n    is_qat = True", "mine.py")
    done = command("explain", "mine.py")
    assert "Modules that are swapped\n    0 becomes torch.ao.nn.intrinsic.qat" in done.out


def test_a_standalone_module_of_a_file_is_a_leaf(command: Command, write: Write) -> None:
    write(
        MODEL.replace("torch.nn.ReLU()", "torch.nn.Sequential(torch.nn.ReLU())")
        + """
    from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
    prepare_custom_config = PrepareCustomConfig().set_standalone_module_name("1", None, (), None, None)
    """,
        "mine.py",
    )
    assert "Inside 1, where observers have numbers of their own" in command("explain", "mine.py").out


def test_a_file_may_import_what_lies_beside_it_and_prints_to_stderr(command: Command, write: Write) -> None:
    write(MODEL, "beside/parts.py")
    write("from parts import model\nprint('made')", "beside/mine.py")
    done = command("explain", "beside/mine.py")
    assert done.code == 0
    assert "made" in done.err
    assert "made" not in done.out
    sys.modules.pop("parts")


@pytest.mark.parametrize(
    "case",
    [
        MIXED,
        replace(LINEAR, mapping=TRAINED, is_qat=True),
        replace(LINEAR, is_standalone=True),
        replace(LINEAR, declared=(Declared("standalone", "linear_0"),)),
        replace(LINEAR, equalization=Mapping(None, (Entry("global", "default_equalization_qconfig"),))),
    ],
    ids=["plain", "training", "standalone", "with a standalone module", "equalized"],
)
def test_a_script_of_the_suite_is_explained_as_its_case_is(command: Command, folder: Path, case: Case) -> None:
    (folder / "case.py").write_text(script(case))
    of_case, of_script = command("explain", saved(folder, case)), command("explain", "case.py")
    assert of_case.code == of_script.code == 0
    named = f"case.json, case {case.digest}: "
    assert of_case.out.startswith(named)
    assert of_script.out == "case.py: " + of_case.out.removeprefix(named)


def test_a_case_is_no_code_that_is_executed(command: Command, folder: Path) -> None:
    hostile = "open('executed', 'w')"
    text = MIXED.to_json().replace('"default_qconfig"', f'"{hostile}"')
    assert hostile in text
    (folder / "case.json").write_text(text)
    refusal(command("explain", "case.json"))
    assert not (folder / "executed").exists()


ANNOTATED = """
    import torch
    from torchao.quantization.pt2e import MinMaxObserver
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer

    class Mine(Quantizer):
        def annotate(self, model):
            spec = QuantizationSpec(torch.int8, MinMaxObserver, -128, 127, torch.per_tensor_affine)
            for node in model.graph.nodes:
                if "cat" in node.name:
                    inputs = {value: spec for value in node.all_input_nodes}
                    node.meta["quantization_annotation"] = QuantizationAnnotation(inputs, spec)
            return model

        def validate(self, model):
            pass

    class Twice(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x, x.relu()])

    model, example_inputs, quantizer = Twice(), (torch.randn(1, 2),), Mine()
"""


def test_an_annotated_case_is_explained(command: Command, folder: Path) -> None:
    done = command("explain", saved(folder, replace(SIGMOID, annotations=(Annotation("sigmoid_0", (), BYTE),))))
    assert (done.code, done.err) == (0, "")
    assert "        ANNOTATIONS-2: the output of sigmoid_0 is annotated\n" in done.out
    assert "        ANNOTATIONS-3: neither x0 nor the way from it to sigmoid_0 is annotated with a spec\n" in done.out


def test_a_model_with_a_quantizer_is_exported_and_annotated(command: Command, write: Write) -> None:
    write(ANNOTATED, "mine.py")
    done = command("explain", "mine.py")
    assert (done.code, done.err) == (0, "")
    assert "relu -> cat (argument 0[1]): MinMaxObserver(int8) #1\n" in done.out
    assert command("show", "mine.py", "-o", "mine.svg") == Done(0, "", "")
    assert command("show", "mine.py", "--impl=torchao", "-o", "mine.svg") == Done(0, "", "")


def test_a_quantizer_whose_annotate_returns_nothing_is_served_alike(command: Command, write: Write) -> None:
    write(ANNOTATED, "mine.py")
    whole = command("explain", "mine.py").out
    write(ANNOTATED.replace("            return model\n", ""), "mine.py")
    assert command("explain", "mine.py") == Done(0, whole, "")


def test_a_model_with_a_float_functional_is_traced_as_before_it_is_prepared(command: Command, write: Write) -> None:
    write(
        """
        import torch

        class Sum(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.sum = torch.ao.nn.quantized.FloatFunctional()

            def forward(self, x):
                return self.sum.add(x, x)

        model, example_inputs = Sum(), (torch.randn(1, 2),)
        """,
        "sum.py",
    )
    done = command("explain", "sum.py")
    assert (done.code, done.err) == (0, "")
    assert "activation_post_process" not in done.out


def test_a_quantizer_that_fails_is_told_in_one_sentence(command: Command, write: Write) -> None:
    write(ANNOTATED.replace("for node in", "for node, _ in"), "mine.py")
    assert "the model of mine.py cannot be exported and annotated (TypeError" in refusal(command("explain", "mine.py"))


def test_an_implementation_is_not_shown_what_it_is_not_called_with(
    command: Command, folder: Path, write: Write
) -> None:
    write(ANNOTATED, "mine.py")
    text = "mine.py is an annotated graph, which torch is not called with; name another implementation."
    assert refusal(command("show", "mine.py", "--impl=torch", "-o", "mine.svg")) == text
    text = "no annotated graph, which torchao is not called with; name another implementation."
    assert refusal(command("show", saved(folder, LINEAR), "--impl=torchao", "-o", "mine.svg")).endswith(text)


def test_an_explanation_is_drawn(command: Command, folder: Path) -> None:
    done = command("explain", saved(folder, MIXED), "--picture=out.svg")
    assert (done.code, done.err) == (0, "")
    assert "no observer" in "".join(ElementTree.parse(folder / "out.svg").getroot().itertext())


@pytest.mark.parametrize(("impl", "name"), [((), "reference"), (("--impl=torch",), f"torch {torch.__version__}")])
def test_the_prepared_graph_of_an_implementation_is_drawn(
    command: Command, folder: Path, impl: tuple[str, ...], name: str
) -> None:
    done = command("show", saved(folder, MIXED), *impl, "-o", "out.svg")
    assert (done.code, done.out, done.err) == (0, "", "")
    text = "".join(ElementTree.parse(folder / "out.svg").getroot().itertext())
    assert f"prepared by {name}" in text
    assert "activation_post_process_0" in text


def test_a_graph_that_is_not_the_float_graph_is_drawn_as_it_is(command: Command, folder: Path, write: Write) -> None:
    write("from torch.fx import symbolic_trace\ndef prepare(*a, **k): return symbolic_trace(lambda x: x.frobnicate())")
    assert command("show", saved(folder, MIXED), "--impl=mypkg", "-o", "out.svg").code == 0
    assert "frobnicate" in (folder / "out.svg").read_text()


def test_the_command_is_installed_and_needs_no_terminal_that_knows_every_letter(folder: Path, write: Write) -> None:
    write(
        """
        import torch
        model = torch.nn.Module()
        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.add_module("\\u6f22\\x1b", torch.nn.Linear(2, 2))
            def forward(self, x):
                return getattr(self, "\\u6f22\\x1b")(x)
        model = Model().train()
        is_qat = True
        """,
        "mine.py",
    )
    done = subprocess.run(
        [sys.executable, "-m", "observance.conformance.command.cli", "explain", "mine.py"],
        capture_output=True,
        cwd=folder,
        env={"PATH": "", "PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(filter(None, sys.path))},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"    \u6f22\x1b becomes " in done.stdout


# What it says of bad input


def test_wrong_options_are_argparses_affair(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("explain",), ("show", "case.json"), ("sho",), ("explain", "a", "--frobnicate")):
        with pytest.raises(SystemExit) as stopped:
            command(*arguments)
        assert stopped.value.code == 2
        assert "usage: observance" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: [Errno 2] No such file or directory"),
        (b"\xff\xfe\x00", "cannot be read: 'utf-8' codec can't decode"),
        (b"", "cannot be read: this is not the JSON of a case"),
        (LINEAR.to_json().encode()[:-40], "cannot be read: this is not the JSON of a case"),
        (b'{"name": "something else"}', "cannot be read: this is not the JSON of a case"),
        (b"[" * 100_000, "cannot be read: this is not the JSON of a case"),
        (b"[1, 2]", "cannot be read: this is JSON but not a case"),
        (
            LINEAR.to_json().replace('"mapping"', '"future":1,"mapping"').encode(),
            "unexpected keyword argument 'future'",
        ),
        (LINEAR.to_json().replace('"linear"', '"frobnicate"').encode(), "there is no operator 'frobnicate'"),
    ],
    ids=["missing", "binary", "empty", "truncated", "foreign", "deep", "no case", "future", "unknown operator"],
)
def test_a_file_that_is_no_case_is_named_with_the_reason(
    command: Command, folder: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (folder / "case.json").write_bytes(content)
    for arguments in (("explain", "case.json"), ("show", "case.json", "-o", "out.svg")):
        sentence = refusal(command(*arguments))
        assert sentence.startswith("the case case.json ")
        assert said in sentence


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "the file mine.py defines no `model`; let it define `model`, an nn.Module."),
        ("model = 1", "the file mine.py has a `model` of type int; let it define"),
        ("\nmodel = 1 / 0", "the file mine.py fails in line 2 with ZeroDivisionError: division by zero; mend it"),
        ("import sys\nsys.exit(3)", "the file mine.py fails in line 2 with SystemExit: 3; mend it"),
        ("def f(:", "the file mine.py fails in line 1 with SyntaxError"),
        ("a\0b", "the file mine.py fails with"),
        ("import absent_module", "fails in line 1 with ModuleNotFoundError: No module named 'absent_module'"),
        ("def make_model(): raise ValueError('no')", "the script mine.py makes no arguments (ValueError: no)"),
        (
            "import torch\nclass M(torch.nn.Module):\n    def forward(self, x): return 1 if x else 2\nmodel = M()",
            "the model of mine.py cannot be traced and fused (TraceError",
        ),
        (
            f"{MODEL.strip()}\nqconfig_mapping = 3".replace("\n    ", "\n"),
            "describes no call of prepare: qconfig_mapping",
        ),
    ],
)
def test_a_python_file_that_is_wrong_is_told_in_one_sentence(
    command: Command, folder: Path, source: str, said: str
) -> None:
    (folder / "mine.py").write_text(source)
    assert said in refusal(command("explain", "mine.py"))


def test_a_python_file_that_is_missing_is_told(command: Command) -> None:
    assert refusal(command("explain", "absent.py")).startswith("the file absent.py cannot be read: ")


def test_a_hostile_file_name_does_not_reach_the_terminal(command: Command) -> None:
    assert r"\x1b[31m" in refusal(command("explain", "\x1b[31m.json"))


@pytest.mark.parametrize("arguments", [("explain", "case.json", "--picture"), ("show", "case.json", "-o")])
def test_an_output_that_cannot_be_written_is_named(command: Command, folder: Path, arguments: tuple[str, ...]) -> None:
    saved(folder, LINEAR)
    said = refusal(command(*arguments, "absent/out.svg"))
    assert said.startswith("the picture cannot be written to absent/out.svg (")


@pytest.mark.parametrize(
    ("source", "impl", "said"),
    [
        ("", "absent_package", "There is no module `absent_package`"),
        ("prepare = 3", "mypkg", "cannot be called"),
        ("def prepare(*a, **k): ...\nCONFORMANCE = {'name': 'x'}", "mypkg", "CONFORMANCE"),
        (
            "def prepare(*a, **k): ...\n"
            "CONFORMANCE = {'name': 'x', 'version': '1', 'features': None, 'torch': ('1.0', '1.1')}",
            "mypkg",
            "x does not claim torch",
        ),
    ],
)
def test_an_implementation_that_cannot_be_used_is_told(
    command: Command, folder: Path, write: Write, source: str, impl: str, said: str
) -> None:
    write(source)
    assert said in refusal(command("show", saved(folder, LINEAR), f"--impl={impl}", "-o", "out.svg"))


def test_an_implementation_that_cannot_train_is_not_asked_to(command: Command, folder: Path, write: Write) -> None:
    write("def prepare_fx(model, qconfig_mapping, example_inputs, **configs): ...")
    name = saved(folder, replace(LINEAR, mapping=TRAINED, is_qat=True))
    assert "cannot be asked to prepare for training" in refusal(command("show", name, "--impl=mypkg", "-o", "out.svg"))


def test_torch_that_is_too_old_is_told(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.4.1")
    assert "The suite does not run on torch 2.4.1: install `torch>=2.5`" in refusal(
        command("explain", saved(folder, LINEAR))
    )


def test_a_call_that_the_reference_refuses_has_an_exit_code_of_its_own(command: Command, folder: Path) -> None:
    name = saved(folder, written_case("a name for the qconfig mapping"))
    said = refusal(command("explain", name), code=1)
    assert said.startswith("the reference refuses case.json, case ")
    assert "qconfig_mapping is a str" in said
    assert "does not prepare case.json" in refusal(command("show", name, "-o", "out.svg"), code=1)


@pytest.mark.parametrize("body", ["raise RuntimeError('not\\n\\x1b[31mtoday')", "return 3"])
def test_an_implementation_that_fails_is_told_in_one_line(
    command: Command, folder: Path, write: Write, body: str
) -> None:
    write(f"def prepare(*a, **k): {body}")
    said = refusal(command("show", saved(folder, LINEAR), "--impl=mypkg", "-o", "out.svg"), code=1)
    assert said.startswith("mypkg unknown does not prepare case.json, case ")
    assert not (folder / "out.svg").exists()
