"""`python -m deploy.local.showcase`: lets the sandbox province publish and a bank inquire, and shows what the bureau makes of it.

The last entry of the plan. It only watches: the province and the bank are commands of services.sandbox, what happened is read from
the services' own log lines and `summary` commands. Repeating it publishes the same records again, which the bureau must answer
as duplicates.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.access import SERVICES
from deploy.local.environment import environment, sandbox_environment, servers_from
from deploy.local.errors import CannotRunError
from deploy.local.plan import inherited
from deploy.local.state import REPOSITORY, State, open_state

SUBJECTS = 40
SEED = 7
SETTLE_SECONDS_MAX = 300.0
# The first of each are shown as they happen; after that a count every second tells that it goes on.
SHOWN_OF_EACH = 4
# Counts of the summaries that are zero when nothing is being done.
UNDER_WAY = ("dirty_subjects", "revisions_waiting", "revisions_prepared", "signing_tickets")
GRADES = ("AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C")
SHOWN_EVENTS = {
    "account-revised": "account …{code}  revision {account_revision}, {postings} postings, {findings_opened} findings",
    "assessment-made": "grade   …{code}  {grade}, score {score}, stage {stage}",
    "report-issued": "report  …{code}  revision {revision_number}, content {content_sha256:.12}…",
}

# What a service's `summary` command prints: counts by name, some of them by a further name.
Counts = dict[str, Any]


@dataclass
class LogFollower:
    """Reads the JSON lines that a service appends to its log from now on."""

    path: Path
    position: int = field(default=0)

    def __post_init__(self) -> None:
        self.position = self.path.stat().st_size if self.path.exists() else 0

    def entries(self) -> Iterator[Mapping[str, object]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            complete, end, _ = file.read().rpartition(b"\n")
        self.position += len(complete) + len(end)
        for line in complete.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry


@dataclass
class Shown:
    """What was shown so far, so that a person sees the first of each kind and then counts."""

    counts: dict[str, int] = field(default_factory=dict)
    said_at: float = 0.0

    def follow(self, followers: Sequence[LogFollower]) -> None:
        for follower in followers:
            for entry in follower.entries():
                event = entry.get("event")
                if isinstance(event, str) and event in SHOWN_EVENTS:
                    self.counts[event] = self.counts.get(event, 0) + 1
                    if self.counts[event] <= SHOWN_OF_EACH:
                        say(_line(event, entry))
        if self.counts and time.monotonic() - self.said_at > 2:
            self.said_at = time.monotonic()
            say("so far    " + ", ".join(f"{self.counts.get(event, 0)} × {event}" for event in SHOWN_EVENTS))


def _line(event: str, entry: Mapping[str, object]) -> str:
    code = str(entry.get("subject_code", ""))[-4:]
    if event == "assessment-made" and entry.get("score") is None:
        return f"grade   …{code}  not rated yet: {entry.get('not_rated', 'no reason given')}"
    return SHOWN_EVENTS[event].format_map(defaultdict(lambda: "–", {**entry, "code": code}))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.showcase", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    state = open_state(parser.parse_args(arguments).state)
    try:
        return showcase(state)
    except CannotRunError as error:
        print(f"showcase: {error}", file=sys.stderr)
        return 1


def showcase(state: State) -> int:
    """Publish, inquire, settle, show the table. Returns the exit code of the command."""
    folder = state.path / "sandbox"
    folder.mkdir(exist_ok=True)
    truth, journal, report = folder / "truth.jsonl", folder / "published.jsonl", folder / "report.jws"
    servers = servers_from(os.environ, state)
    sandbox = {**inherited(), **sandbox_environment(state, servers=servers)}
    followers = [LogFollower(state.log_file(service)) for service in SERVICES]
    shown = Shown()
    begun = time.monotonic()

    # 1. The agencies publish; the bank waits for the first grades meanwhile.
    truth.unlink(missing_ok=True)
    journal.unlink(missing_ok=True)
    province = _start(
        sandbox,
        *("province", "--subjects", str(SUBJECTS), "--seed", str(SEED), "--order", "subject"),
        *("--truth", str(truth), "--published", str(journal)),
    )
    while not truth.exists() and province.poll() is None:
        time.sleep(0.05)
    bank = _start(sandbox, "bank", "watch", "--codes-from", str(truth), "--until-count", "8", "--published", str(journal))
    while province.poll() is None or bank.poll() is None:
        shown.follow(followers)
        time.sleep(0.1)
    for name, process in (("province", province), ("bank", bank)):
        if process.returncode:
            raise CannotRunError(f"the sandbox's {name} ended with exit code {process.returncode}")

    # 2. Let the bureau finish what is under way.
    summaries = _settle(state, shown, followers)
    shown.follow(followers)

    # 3. Fetch one signed report, as the bank, and show what exists.
    code = next(json.loads(line)["key"] for line in journal.read_text().splitlines())
    _finish(sandbox, "bank", "inquire", "--code", code, "--report", str(report))
    _show(summaries, seconds=time.monotonic() - begun, code=code, report=report)
    return 0


def _start(variables: Mapping[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "services.sandbox", *arguments], cwd=REPOSITORY, env=dict(variables))


def _finish(variables: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "services.sandbox", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRunError(f"{' '.join(command[2:])} ended with exit code {done.returncode}: {done.stderr.strip()}")


def _settle(state: State, shown: Shown, followers: Sequence[LogFollower]) -> dict[str, Counts]:
    """Wait until two looks at the services' counts, with nothing under way, agree."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    before: dict[str, Counts] = {}
    while True:
        now = {service: summary(state, service) for service in SERVICES}
        under_way = sum(counts.get(name, 0) for counts in now.values() for name in UNDER_WAY)
        if now == before and not under_way:
            return now
        if time.monotonic() > deadline:
            raise CannotRunError(f"the bureau did not settle within {SETTLE_SECONDS_MAX:.0f} s: {now}")
        before = now
        shown.follow(followers)
        time.sleep(0.3)


def summary(state: State, service: str) -> Counts:
    """Ask a service for its counts."""
    variables = {**inherited(), **environment(service, state, servers=servers_from(os.environ, state))}
    command = [sys.executable, "-m", f"services.{service}", "summary"]
    done = subprocess.run(command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRunError(f"{service} summary ended with exit code {done.returncode}: {done.stderr.strip()}")
    counts: Counts = json.loads(done.stdout.splitlines()[-1])
    return counts


def table(summaries: Mapping[str, Counts]) -> list[str]:
    """Say in one line per step what exists; every count is in the services' `summary` commands, with many more."""
    collector, scoring, reports, gateway = (summaries[service] for service in ("collector", "scoring", "reports", "gateway"))
    records, tables = collector["records"], collector["tables"]
    rows = {
        "records": ", ".join(f"{records[outcome]:,} {outcome}" for outcome in ("accepted", "duplicate", "rejected", "quarantined")),
        "accounts": f"{tables['subject']:,} subjects, {tables['account_revision']:,} revisions, {tables['posting']:,} postings "
        f"({collector['reversals']:,} of them reversals), {collector['account_findings_open']:,} findings open",
        "assessments": f"{scoring['assessments']:,}; {scoring['rated']:,} subjects rated, {scoring['not_rated']:,} not",
        "grades": ", ".join(f"{scoring['grades'][grade]:,} × {grade}" for grade in GRADES if grade in scoring["grades"]) or "none",
        "stages": ", ".join(f"{count:,} {stage.lower()}" for stage, count in scoring["transition_stages"].items()) or "none",
        "reports": f"{reports['revisions_issued']:,} signed revisions about {reports['subjects']:,} subjects",
        "inquiries": f"{gateway['inquiries_permitted']:,} permitted, {gateway['inquiries_denied']:,} denied; each on record first",
    }
    return [f"  {name:<12} {row}" for name, row in rows.items()]


def _show(summaries: Mapping[str, Counts], *, seconds: float, code: str, report: Path) -> None:
    say("")
    say(f"what exists now, {seconds:.0f} s after the first record was sent")
    for line in table(summaries):
        say(line)
    shown = report.relative_to(REPOSITORY) if report.is_relative_to(REPOSITORY) else report
    say("")
    say("try next")
    say(f"  make verify FILE={shown}              prove the report offline; flip a byte and see what fails")
    say("  make status                                                 what runs where, with ports and log files")
    say('  eval "$(.venv/bin/python -m deploy.local environment sandbox)"')
    say(f"  .venv/bin/python -m services.sandbox bank inquire --code {code}")
    say("  .venv/bin/python -m services.sandbox notices --provider ent-sx | tail")
    say("  .venv/bin/python -m services.sandbox replay FILE            real facilities; where FILE is from: services/sandbox/README.md")
    say("")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
