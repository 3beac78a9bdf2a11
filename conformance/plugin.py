"""The pytest plug-in: options, what is collected, the order, and the summary.

It is loaded in every pytest run where observance is installed, so it imports
nothing heavy until a rule is collected or ``--impl`` is given.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Generator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from observance.conformance.claims import SHIPPED_REGISTERS
from observance.conformance.evidence.plugin import add_options, equip

if TYPE_CHECKING:
    from observance.conformance.deviations import Deviation, Register
    from observance.conformance.implementations import Implementation
    from observance.conformance.judge import Judge
    from observance.conformance.known import KnownFailure
    from observance.strategies import Case

SUBJECTS = ("--impl", "--quantizer", "--backend-config")
"""The options of which one says what is judged."""

PROFILES = ("qconfigs", "annotations-fx", "annotations-pt2e")
"""What can tell an implementation how to quantize."""

_FOLDER = Path(__file__).resolve().parent
"""The folder of the rules."""

_PRINTED = 2_000
"""So many characters of what was printed during a test that fails are shown."""

_JUDGE: pytest.StashKey[Any] = pytest.StashKey()
_BASELINE: pytest.StashKey[Any] = pytest.StashKey()
"""What the implementation is held against: a record or an implementation, or None."""
_RULES: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""The rule of each test, by the test's id."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("observance", "conformance of an implementation of prepare")
    add = group.addoption
    add("--impl", help="what to judge: torch, torchao, reference, mypkg, mypkg:object, or an entry point")
    add("--quantizer", metavar="WHAT", help="judge a quantizer in place of a prepare: mypkg:MyQuantizer")
    add("--backend-config", metavar="WHAT", help="judge a backend config in place of a prepare: mypkg:get_config")
    add("--profile", choices=PROFILES, help="what says how to quantize, where the implementation's shape does not")
    add("--level", type=str.lower, choices=("must", "upstream"), default="must", help="which rules gate")
    add("--effort", choices=("smoke", "gate", "explore", "certify"), default="gate", help="how much work is done")
    add("--cases", type=int, metavar="N", help="draw N cases, whatever the effort")
    add("--draw-seed", type=int, metavar="N", help="draw other cases")
    add("--case", metavar="FILE", help="try the one case in a JSON file")
    add("--rule", metavar="ID", action="append", help="hold this rule alone, such as SHARING-1; may be given again")
    add("--deviations", metavar="NAME", help="a register of known deviations: torch, torchao, or a Python file")
    add("--against", metavar="WHAT", help="compare with a record (.jsonl) or an implementation, in place of the rules")
    add("--known-failures", metavar="FILE", help="failures that are expected, each with a pinned case: a TOML file")
    add("--no-known-deviations", action="store_true", help="excuse nothing")
    add("--time-limit", type=float, metavar="S", default=120.0, help="one call may take S seconds; a longer one hangs")
    add("--in-process", action="store_true", help="call the implementation in the process of pytest, for debuggers")
    add_options(group)
    add("--failures-in", default=".observance", metavar="DIR", help="where failing cases are written")
    add("--markdown", metavar="FILE", help="add the summary to this file, as Markdown")


def pytest_configure(config: pytest.Config) -> None:
    """Resolve the implementation, so that a wrong option is told before any test runs."""
    if any(config.getoption(option, default=None) for option in SUBJECTS):
        config.stash[_JUDGE] = _make_judge(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process in which the implementation was called."""
    judge = config.stash.get(_JUDGE, None)
    if judge is not None:
        judge.apart.close()


def _make_judge(config: pytest.Config) -> Judge:
    """Return the judge that the options ask for, or stop with a usage error."""
    from observance.conformance.usage import UsageError, unlogged

    try:
        with unlogged():
            return _judge(config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _judge(config: pytest.Config) -> Judge:
    """Return the judge that the options ask for."""
    import torch

    from observance.conformance import corpus
    from observance.conformance.against import baseline_of
    from observance.conformance.command.subjects import read_case
    from observance.conformance.efforts import EFFORTS
    from observance.conformance.isolation import Limits
    from observance.conformance.judge import Judge
    from observance.conformance.known import load as known_failures
    from observance.conformance.needs import is_claimed
    from observance.conformance.usage import UsageError, check_appendable

    option, implementation = config.getoption, _subject(config)
    if not implementation.claims.supports_torch(torch.__version__):
        raise UsageError(
            f"{implementation.name} does not claim torch {torch.__version__}; "
            "run the suite with a release of torch that it claims."
        )
    # What torch says of its own plans while a case is built is no concern of the one who is judged.
    config.addinivalue_line("filterwarnings", r"ignore::UserWarning:torch\.ao\.quantization")
    # So is how torch copies the containers of an exported graph.
    config.addinivalue_line("filterwarnings", r"ignore:.isinstance\(treespec, LeafSpec\):FutureWarning")
    config.stash[_BASELINE] = baseline_of(option("--against")) if option("--against") else None
    effort = EFFORTS[option("--effort")]
    count = option("--cases") if option("--cases") is not None else effort.cases
    if count < 1:
        raise UsageError("--cases must be 1 or more.")
    if not option("--time-limit") > 0:
        raise UsageError("--time-limit must be a number of seconds above 0.")
    check_appendable(option("--markdown"), "--markdown")
    only, active = read_case(option("--case")) if option("--case") else None, _register(config, implementation.profile)
    if only is not None and only.profile != implementation.profile:
        graph = "an annotated graph" if only.profile else "no annotated graph"
        raise UsageError(
            f"the case has {graph}, and {implementation.name} is called with others; "
            "choose another --impl or --profile."
        )
    folder, options, start = Path(option("--failures-in")), _options(config), effort.seed(option("--draw-seed"))
    known = known_failures(option("--known-failures")) if option("--known-failures") else None
    limits = Limits(not (option("--in-process") or option("usepdb")), option("--time-limit"))
    # Who asks for a few cases is to have a few.
    leading = effort.recorded if option("--cases") is None else min(effort.recorded, count // 2)

    def first() -> list[Case]:
        """Return the recorded cases that come first; who hands out work to others needs none, and is spared it."""
        claimed = (case for case in corpus.telling() if is_claimed(case, implementation))
        return list(islice(claimed, 0 if only else leading))

    judge = Judge(implementation, count, active, start, only, folder, options, effort, known, first, limits=limits)
    return equip(config, judge)


def _subject(config: pytest.Config) -> Implementation:
    """Return what is judged: an implementation, or what is brought in place of one."""
    from observance.conformance.brought import resolve_backend_config, resolve_quantizer
    from observance.conformance.implementations import resolve
    from observance.conformance.usage import UsageError

    option = config.getoption
    given = [name for name in SUBJECTS if option(name)]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} each say what is judged; leave all out but one.")
    if option("--quantizer"):
        implementation = resolve_quantizer(option("--quantizer"))
    elif option("--backend-config"):
        implementation = resolve_backend_config(option("--backend-config"))
    else:
        profile = {None: "", "qconfigs": ""}.get(option("--profile"), option("--profile"))
        implementation = resolve(option("--impl"), profile)
    if option("--profile") not in (None, implementation.profile or "qconfigs"):
        raise UsageError(
            f"{implementation.name} is not called with what the profile {option('--profile')} is about; leave it out."
        )
    return implementation


def _register(config: pytest.Config, profile: str) -> Register | None:
    """Return the register of known deviations that the options ask for, as far as they matter to what is installed."""
    from observance.conformance.deviations import load
    from observance.conformance.deviations.register import check

    judged = config.getoption("--impl")
    name = config.getoption("--deviations") or (judged if judged in SHIPPED_REGISTERS else None)
    if config.getoption("--no-known-deviations") or not name:
        return None
    active = load(name).active().within(profile)
    check(active)
    return active


def _options(config: pytest.Config) -> str:
    """Return the options that say who is judged by which register, as they were given."""
    option = config.getoption
    given = [f"{name}={option(name)}" for name in SUBJECTS if option(name)]
    if option("--profile"):
        given.append(f"--profile={option('--profile')}")
    if option("--deviations"):
        given.append(f"--deviations={option('--deviations')}")
    if option("--known-failures"):
        given.append(f"--known-failures={option('--known-failures')}")
    if option("--no-known-deviations"):
        given.append("--no-known-deviations")
    return shlex.join(given)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each known deviation, and of each known failure."""
    for fixture, demanded in (("deviation", _demanded), ("known_failure", _expected)):
        if fixture in metafunc.fixturenames:
            entries = demanded(metafunc.config)
            metafunc.parametrize(fixture, entries, ids=[entry.id for entry in entries])


def _demanded(config: pytest.Config) -> tuple[Deviation, ...]:
    """Return the entries of the register that must still be there.

    A register that is lent to another implementation excuses what that one has of
    it, and demands nothing: a fork may have mended some of it.
    """
    judge = config.stash.get(_JUDGE, None)
    if judge is None or judge.register is None or judge.only or judge.effort.is_brief:
        return ()
    if is_lent(config) or config.getoption("--rule"):
        return ()
    entries = [entry for entry in judge.register.entries if entry.pinned.profile == judge.profile]
    return tuple(entries)[judge.split.number - 1 :: judge.split.of]


def is_lent(config: pytest.Config) -> bool:
    """Whether the register of known deviations is another implementation's."""
    name = config.getoption("--deviations")
    return name in SHIPPED_REGISTERS and name != config.getoption("--impl")


def _expected(config: pytest.Config) -> tuple[KnownFailure, ...]:
    """Return the known failures that must still fail: those of the rules that are held, unless one case is tried."""
    judge, wanted = config.stash.get(_JUDGE, None), config.getoption("--rule")
    if judge is None or judge.only:
        return ()
    return tuple(one for one in judge.known_failures.entries if not wanted or one.rule in wanted)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the rules that are asked for, and put the smoke tests first."""
    ours = [item for item in items if item.path.resolve().parent == _FOLDER]
    if not ours:
        return
    rules = {item: getattr(getattr(item, "function", None), "rule", None) for item in ours}
    judge = config.stash.get(_JUDGE, None)
    if judge is None:
        raise pytest.UsageError(
            "say what to judge with --impl, such as --impl=torch or --impl=mypkg, --quantizer, or --backend-config."
        )
    dropped = _dropped(config, rules)
    items[:] = [item for item in items if item not in dropped]
    judge.rules = [rule for item, rule in rules.items() if rule and item not in dropped]
    config.stash[_RULES] = {item.nodeid: rule.id for item, rule in rules.items() if rule}
    items.sort(key=lambda item: item not in ours or item.path.name != "test_smoke.py")
    config.hook.pytest_deselected(items=dropped)


def _dropped(config: pytest.Config, rules: Mapping[pytest.Item, Any]) -> list[pytest.Item]:
    """Return the tests that are not asked for; `rules` has the rule of each test of the suite, or None."""
    wanted, level = config.getoption("--rule"), config.getoption("--level")
    known, profile = {rule.id: rule for rule in rules.values() if rule}, config.stash[_JUDGE].profile
    for name in wanted or ():
        if name not in known:
            near = difflib.get_close_matches(name.upper(), known)
            which = f"the nearest are {', '.join(near)}" if near else f"the rules are {', '.join(known)}"
            raise pytest.UsageError(f"there is no rule {name!r}; {which}.")
        if profile not in known[name].profiles:
            told = f"graphs with {profile}" if profile else "models with qconfigs"
            raise pytest.UsageError(f"the rule {name!r} does not speak of {told}; choose another --profile or --impl.")

    def using(fixture: str) -> list[pytest.Item]:
        return [item for item in rules if fixture in getattr(item, "fixturenames", ())]

    if config.stash[_BASELINE] is not None:
        kept = using("baseline")
        return [item for item in rules if item not in kept and item.path.name != "test_smoke.py"]
    dropped = using("baseline")
    dropped += [] if _demanded(config) else using("deviation")
    dropped += [] if _expected(config) else using("known_failure")
    return dropped + [
        item
        for item, rule in rules.items()
        if rule
        and (
            profile not in rule.profiles
            or (rule.id not in wanted if wanted else level == "must" and rule.level != "MUST")
        )
    ]


def enter_rule(config: pytest.Config, test: str, rule: str) -> None:
    """Note which rule a test is about; where several processes run the tests, the one that sums up collects none."""
    config.stash.setdefault(_RULES, {})[test] = rule


@pytest.fixture(scope="session")
def judge(request: pytest.FixtureRequest) -> Any:
    """The judge of this run."""
    return request.config.stash[_JUDGE]


@pytest.fixture(scope="session")
def baseline(request: pytest.FixtureRequest) -> Any:
    """What the implementation of this run is held against."""
    return request.config.stash[_BASELINE]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what is no part of the verdict out of a report, and the whole report out of the list of failures."""
    report = yield
    if item.config.stash.get(_JUDGE, None) is None or item.path.resolve().parent != _FOLDER:
        return report
    # What libraries log, torch as it traces by thousands of lines, is no part of a verdict.
    report.sections = [(name, _end_of(text)) for name, text in report.sections if not name.startswith("Captured log")]
    # Where CI is set, pytest lists failures with their whole message, which has just been shown.
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = crash.message.partition("\n")[0]
    return report


def _end_of(printed: str) -> str:
    """Return the end of what an implementation printed, without what a terminal would obey."""
    from observance.conformance.usage import printable

    return "\n".join(printable(line) for line in printed[-_PRINTED:].splitlines())


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Tell vacuous, unclaimed, blocked and known rules from skipped ones."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return None
    reason = _reason(report)
    for word, letter in (("vacuous", "v"), ("not claimed", "n"), ("blocked", "b"), ("known", "k")):
        if reason.startswith(word):
            return word, letter, word.upper()
    return None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which cases will be drawn, so that the run can be repeated."""
    judge = config.stash.get(_JUDGE, None)
    if judge is None or judge.only:
        return None
    repeat = f"; --draw-seed={judge.start} draws them again" if judge.effort.is_random else ""
    return f"observance: {judge.effort.name}, {judge.count} cases, seed {judge.start}{repeat}"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let the judge show its progress on the terminal."""
    judge, reporter = (
        session.config.stash.get(_JUDGE, None),
        session.config.pluginmanager.get_plugin("terminalreporter"),
    )
    if judge is not None and reporter is not None:
        from observance.conformance.progress import bar_in

        judge.progress = bar_in(reporter)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was judged, on how many cases, what came of it, and what known deviations excused."""
    judge = config.stash.get(_JUDGE, None)
    if judge is None:
        return
    from observance.conformance.summary import outcomes_of, summarize
    from observance.conformance.usage import UsageError, append

    stats, rules, verbose = terminalreporter.stats, config.stash.get(_RULES, {}), config.get_verbosity() > 0
    writer, outcomes = config.get_terminal_writer(), outcomes_of(stats, rules) if judge.verdicts else {}
    summary = summarize(judge, outcomes, _skipped_lines(stats, rules, verbose), verbose)
    terminalreporter.section("observance")
    for line in summary.lines(writer.fullwidth, writer.hasmarkup):
        terminalreporter.write_line(line)
    if config.getoption("--markdown"):
        try:
            append(config.getoption("--markdown"), "".join([summary.markdown(), *judge.notes]), "--markdown")
        except UsageError as error:
            terminalreporter.write_line(f"ERROR: {error}")


def _skipped_lines(stats: Any, rules: Mapping[str, str], verbose: bool) -> list[str]:
    """Return which rules nothing is said of, and if it is to be verbose why; blocked ones have one reason in common."""
    lines = []
    for word in ("vacuous", "not claimed"):
        reports = stats.get(word, ())
        if verbose:
            lines += [f"{report.nodeid}: {_reason(report)}" for report in reports]
        elif reports:
            lines.append(f"{word}: {', '.join(rules.get(report.nodeid, report.nodeid) for report in reports)}")
    blocked = stats.get("blocked", ())
    what = "rule or entry" if len(blocked) == 1 else "rules and entries"
    return lines + ([f"{len(blocked)} {what} {_reason(blocked[0])}"] if blocked else [])


def _reason(report: Any) -> str:
    """Return why a test was skipped."""
    return str(report.longrepr[2]).removeprefix("Skipped: ")
