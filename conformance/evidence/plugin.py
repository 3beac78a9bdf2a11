"""The part of the pytest plug-in that keeps evidence: certificates, shards, and runs in several processes.

Each test of a rule leaves a record in its report, as JSON, which pytest-xdist
carries to the process that the user started.  What is written in the end is made
from these records, whether one process ran the tests or several.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Generator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from observance.conformance.evidence.identity import Plain
    from observance.conformance.evidence.unfinished import Counted
    from observance.conformance.judge import Judge

_PARTS = "observance_parts"
"""Under which name a process of pytest-xdist is told the folder that it has in common with the others."""

_REPLACED = "observance_replaced"
"""Under which name it tells why, and how often, it had to replace the process in which it calls."""

_ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
"""How a run ends that leaves a certificate; in all others nothing was tested."""


_TOLD = 8
"""How many reasons against a certificate are told on the terminal; all of them are in it."""


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options of certificates."""
    add = group.addoption
    add("--certify", metavar="DIR", help="try the recorded corpus, too, and write a certificate into this new folder")
    add("--resume", action="store_true", help="go on where the same run was interrupted")
    add("--shard", metavar="K/N", help="with --certify: judge one case in N; `observance merge` joins the shards")


def equip(config: pytest.Config, judge: Judge) -> Judge:
    """Give a judge what the options ask for: the recorded corpus, a shard, and the processes beside this one.

    Raises
    ------
    UsageError
        If the options do not go together, the corpus is damaged, or nothing can be written where it should be.
    """
    from observance.conformance.evidence.split import Split

    worker = getattr(config, "workerinput", {})
    shard = Split.read(config.getoption("--shard"))
    judge.split = Split(shard.number, shard.of, None, worker.get("workercount", 1))
    keeper = Certifier(judge, config) if config.getoption("--certify") else Keeper(judge, config)
    if config.getoption("--shard") and not config.getoption("--certify"):
        from observance.conformance.usage import UsageError

        raise UsageError("--shard needs --certify=DIR: without it nothing is written that could be merged.")
    folder = keeper.begin() if not worker else Path(worker[_PARTS]) if worker[_PARTS] else None
    judge.split = replace(judge.split, folder=folder)
    config.pluginmanager.register(keeper, "observance-evidence")
    return judge


class Keeper:
    """Keeps the records of a run, and brings together those of its processes."""

    def __init__(self, judge: Judge, config: pytest.Config) -> None:
        self.judge, self.config = judge, config
        self.rules: dict[str, Plain] = {}
        self.waivers: dict[tuple[str, str], str] = {}
        self._common: Counted | None = None

    def begin(self) -> Path | None:
        """Return the folder in which this run keeps what it has counted; None if it is over in no time.

        Raises
        ------
        UsageError
            If the run is to go on, and there is nothing to go on with.
        """
        from observance.conformance.evidence import unfinished

        option, judge = self.config.getoption, self.judge
        if judge.only is not None or option("--against"):
            return None
        excused = [register_of(self.config), _file(option("--known-failures")), option("--no-known-deviations")]
        ways = [option("--time-limit"), option("--in-process")]
        options = [judge.options, option("--level"), option("--rule"), bool(option("--certify")), *excused, *ways]
        self._common = unfinished.Counted(unfinished.folder_of(judge, options), option("--resume"))
        return self._common.folder.absolute()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process of pytest-xdist the folder that all of them have in common."""
        node.workerinput[_PARTS] = str(self.judge.split.folder or "")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add up how often the processes of pytest-xdist had to replace those in which they call; one may have died."""
        self.judge.apart.replaced.update(getattr(node, "workeroutput", {}).get(_REPLACED, {}))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Take away what was counted if the run has come to its end; else say how it can go on."""
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[_REPLACED] = dict(self.judge.apart.replaced)
        if self._common is None:
            return
        if exitstatus == pytest.ExitCode.INTERRUPTED and self._common.folder.is_dir():
            seed = f" --draw-seed={self.judge.start}" if self.judge.effort.is_random else ""
            self.judge.remark(f"interrupted: the same command with{seed} --resume goes on from here.")
            self._common.let_go()
        else:
            self._common.forget()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Know in every process whether the adapter is broken: one of them alone runs the smoke tier."""
        from observance.conformance.smoke import problem

        if self.judge.split.processes > 1 and self.judge.blocked is None and not self.judge.verdicts:
            found = self.judge.apart.ask(problem)
            self.judge.blocked = found and f"the smoke tier failed: {found}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the record of a rule, or of a known deviation, into the report of its test."""
        report = yield
        record = self._record(item, report) if report.when == "call" and self._is_wanted() else None
        if record is not None:
            report.observance = json.dumps(record)  # type: ignore[attr-defined]
        return report

    def _is_wanted(self) -> bool:
        """Whether anybody reads the records: a certificate, or another process."""
        return hasattr(self.config, "workerinput")

    def _record(self, item: pytest.Item, report: pytest.TestReport) -> Plain | None:
        """Return the record of a test; None if it is about no rule and no known deviation."""
        from observance.conformance.evidence import document
        from observance.conformance.evidence.failures import failure_of

        rule = getattr(getattr(item, "function", None), "rule", None)
        if rule is None:
            return self._waiver_record(item, report)
        verdict = self.judge.verdicts.get(rule.id)
        if verdict is not None:
            return document.rule_record(rule, verdict.tally, failure=failure_of(self.judge, verdict))
        skipped = document.BLOCKED if self.judge.blocked else document.UNCLAIMED
        return document.rule_record(rule, None, skipped if report.skipped else document.MISSING)

    def _waiver_record(self, item: pytest.Item, report: pytest.TestReport) -> Plain | None:
        """Return the record of a test of a waiver; None if it is about none."""
        from observance.conformance.evidence import document

        states = {"skipped": document.MISSING, "passed": document.IN_FORCE, "failed": document.VOID}
        tested = item.callspec.params if hasattr(item, "callspec") else {}
        for fixture, kind in (("deviation", document.DEVIATION), ("known_failure", document.KNOWN)):
            if fixture in tested:
                return {"kind": kind, "id": tested[fixture].id, "state": states[report.outcome]}
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that a report has."""
        record = getattr(report, "observance", None)
        if record is None:
            return
        found = json.loads(record)
        if "state" in found:
            self.waivers[found["kind"], found["id"]] = found["state"]
        else:
            self.rules[found["id"]] = found
            self._tell(report.nodeid, found)

    def _tell(self, test: str, found: Plain) -> None:
        """Let the process that the user started know what another process found."""
        from observance.conformance import plugin
        from observance.conformance.evidence.document import BLOCKED
        from observance.conformance.evidence.split import Tally
        from observance.conformance.rules import RULES, import_rules
        from observance.conformance.verdict import Verdict
        from observance.strategies import Case

        plugin.enter_rule(self.config, test, found["id"])
        if found["id"] in self.judge.verdicts or not found["counts"]["cases"] or found["verdict"] == BLOCKED:
            return
        import_rules()
        case = (found["failure"] or {}).get("case")
        made = Case.from_json(json.dumps(case)) if case else None
        tally = Tally.from_plain(found["counts"])
        self.judge.verdicts[found["id"]] = Verdict(RULES[found["id"]], tally, made)


class Certifier(Keeper):
    """Writes the certificate of a run."""

    def __init__(self, judge: Judge, config: pytest.Config) -> None:
        from observance.conformance import corpus
        from observance.conformance.efforts import EFFORTS
        from observance.conformance.evidence.folder import check_new
        from observance.conformance.usage import UsageError

        super().__init__(judge, config)
        option = config.getoption
        if option("--case") or option("--rule") or option("--against"):
            raise UsageError("--certify speaks of all rules and cases: leave --rule, --case and --against out.")
        self.folder, self.start, self.said = Path(option("--certify")), _now(), list[str]()
        self.is_worker = hasattr(config, "workerinput")
        if not self.is_worker:
            check_new(self.folder)
        judge.recorded, judge.effort = corpus.recorded(), EFFORTS["certify"]
        judge.count, judge.start = option("--cases") or judge.effort.cases, option("--draw-seed") or 0
        # Who ends a run still gets what there is.
        self._former = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def _is_wanted(self) -> bool:
        """Whether anybody reads the records."""
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the certificate, and fail unless it is one; a shard is none, and fails where its tests do."""
        super().pytest_sessionfinish(session, exitstatus)
        if self.is_worker or exitstatus not in _ENDED:
            return
        from observance.conformance import plugin
        from observance.conformance.evidence import document, folder
        from observance.conformance.usage import UsageError

        run, is_lent = self._run(session, exitstatus), plugin.is_lent(session.config)
        made = document.document(self.judge, run, self.rules, self.waivers, is_lent)
        try:
            folder.write(made, self.folder)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        self.said = [f"{made['status']}: {(self.folder / folder.PAGE).as_posix()}", *made["reasons"][:_TOLD]]
        if made["status"] == document.REFUSED and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _run(self, session: pytest.Session, exitstatus: int) -> Plain:
        """Return when and how the run went."""
        from observance.conformance import plugin

        option = session.config.getoption
        return {
            "spec": next(option(name) for name in plugin.SUBJECTS if option(name)),
            **({"profile": option("--profile")} if option("--profile") else {}),
            "level": option("--level"),
            "register": register_of(session.config),
            "known_failures": _file(option("--known-failures")),
            "start": self.start,
            "end": _now(),
            "interrupted": exitstatus == pytest.ExitCode.INTERRUPTED,
        }

    def pytest_unconfigure(self) -> None:
        """Let the process end as it would have without a certificate."""
        signal.signal(signal.SIGTERM, self._former)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was written, and where."""
        if self.said:
            terminalreporter.section("certificate")
            for line in self.said:
                terminalreporter.write_line(line)


def register_of(config: pytest.Config) -> Plain | None:
    """Return which register excuses failures: a shipped one by its name, or a file with its digest; None if none."""
    from observance.conformance.claims import SHIPPED_REGISTERS

    option = config.getoption
    judged = option("--impl")
    name = option("--deviations") or (judged if judged in SHIPPED_REGISTERS else None)
    return None if option("--no-known-deviations") else _file(name)


def _file(name: str | None) -> Plain | None:
    """Return the name of a file with its digest, or that of something that ships with the suite without one."""
    from observance.conformance.claims import SHIPPED_REGISTERS
    from observance.conformance.evidence.identity import file_digest
    from observance.conformance.usage import printable

    if name is None:
        return None
    path = Path(name)
    return {"name": printable(path.name), "sha256": None if name in SHIPPED_REGISTERS else file_digest(path)}


def _now() -> str:
    """Return the time, in UTC and in whole seconds."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
