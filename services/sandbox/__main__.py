"""The sandbox's commands. Wires settings, clock, ids and chance together; `python -m services.sandbox --help` lists them."""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.json_format import MessageToJson
from kafka.errors import KafkaError

from services.common.clock import SystemClock
from services.common.identifiers import RandomIds
from services.common.settings import SettingsError, load
from services.sandbox import bank_watch, identity_provider, notices, province, replay, truth_file
from services.sandbox.bank import Bank, BankRefused
from services.sandbox.domain import nger, panel
from services.sandbox.domain.months import MONTHS
from services.sandbox.domain.planning import Order
from services.sandbox.publisher import NotPublished, Publisher
from services.sandbox.settings import SandboxSettings

DEFAULT_SEED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 not done, 2 asked wrongly."""
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except SettingsError as error:
        for problem in error.problems:
            _complain(problem)
        return 2
    except (NotPublished, BankRefused, notices.NoticesUnreachable, replay.ReplayFileError, OSError) as error:
        _complain(str(error))
        return 1
    except KafkaError as error:
        _complain(f"the broker cannot be used: {type(error).__name__}: {error}")
        return 1
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.sandbox", description="Plays the agencies, the enterprises and a bank.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    made = commands.add_parser("panel", help="write a training panel of other synthetic facilities as CSV")
    made.add_argument("--out", type=Path, required=True, metavar="FILE")
    made.add_argument("--subjects", type=_positive, default=panel.SUBJECTS)
    made.add_argument("--years", type=_positive, default=panel.YEARS)
    made.add_argument("--seed", type=int, default=DEFAULT_SEED)
    made.set_defaults(run=_panel)

    made = commands.add_parser("province", help="publish the simulated province")
    made.add_argument("--subjects", type=_positive, default=60)
    made.add_argument("--seed", type=int, default=DEFAULT_SEED)
    made.add_argument("--truth", type=Path, required=True, metavar="FILE", help="where the truth is kept; no service reads it")
    made.add_argument("--months", type=_positive, default=MONTHS, help=f"send the last so many of {MONTHS} months (default: all)")
    made.add_argument("--order", type=Order, choices=list(Order), default=Order.BY_TIME, metavar="{time,subject}")
    _add_publishing(made)
    made.set_defaults(run=_province)

    made = commands.add_parser("replay", help="publish the real facility records of the Clean Energy Regulator")
    made.add_argument("file", type=Path, metavar="FILE")
    made.add_argument("--truth", type=Path, metavar="FILE", help="write what is sent and expected")
    _add_publishing(made)
    made.set_defaults(run=_replay)

    bank = commands.add_parser("bank", help="inquire as a bank").add_subparsers(required=True, metavar="COMMAND")
    made = bank.add_parser("inquire", help="ask for one subject's grade")
    made.add_argument("--code", required=True, help="unified social credit code")
    made.add_argument("--report", type=Path, metavar="FILE", help="fetch the signed report too, and store it")
    made.set_defaults(run=_inquire)
    made = bank.add_parser("watch", help="print the first grades as they come")
    made.add_argument("--codes-from", type=Path, required=True, metavar="TRUTH", help="truth file that names the subjects")
    made.add_argument("--until-count", type=_positive, required=True, help="stop after so many subjects are graded")
    made.add_argument("--published", type=Path, metavar="FILE", help="journal of the publishing run, for latencies")
    made.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS")
    made.set_defaults(run=_watch)

    made = commands.add_parser("token", help="print a token of 15 minutes for the gateway's portal")
    whose = made.add_mutually_exclusive_group(required=True)
    whose.add_argument("--subject", metavar="CODE", help="of the enterprise with this unified social credit code")
    whose.add_argument(
        "--role", choices=[role for role in identity_provider.ROLES if role != "enterprise"], help="of the bureau's own people"
    )
    made.set_defaults(run=_token)

    made = commands.add_parser("notices", help="print a provider's receipts and findings")
    made.add_argument("--provider", required=True, metavar="CODE")
    made.set_defaults(run=_notices)
    return parser


def _add_publishing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, metavar="PER_SECOND", help="records a second (default: as fast as the broker takes them)")
    parser.add_argument("--published", type=Path, metavar="FILE", help="append a line for each record that the broker acknowledged")


def _panel(parsed: argparse.Namespace) -> int:
    rows = list(panel.panel(province.generator_of, seed=parsed.seed, subjects=parsed.subjects, years=parsed.years))
    parsed.out.parent.mkdir(parents=True, exist_ok=True)
    with parsed.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(panel.COLUMNS)
        writer.writerows([getattr(row, column) for column in panel.COLUMNS] for row in rows)
    print(f"{len(rows):,} subject-years of {parsed.subjects} synthetic facilities in {parsed.out}")
    return 0


def _province(parsed: argparse.Namespace) -> int:
    settings = load(SandboxSettings, service="sandbox")
    planned = province.plan_province(seed=parsed.seed, subjects=parsed.subjects, months=parsed.months, order=parsed.order)
    province.write_truth(planned, parsed.truth, seed=parsed.seed, months=parsed.months, order=parsed.order)
    falsifying = sum(plan.falsification is not None for plan in planned.plans)
    print(
        f"{len(planned.plans)} subjects, {falsifying} of them falsify; {len(planned.submissions):,} records; the truth is in {parsed.truth}"
    )
    with Publisher(access=settings.kafka_as, clock=SystemClock(), ids=RandomIds()) as publisher:
        province.publish(publisher, planned.submissions, rate_per_second=parsed.rate, journal=parsed.published, say=_say)
    return 0


def _replay(parsed: argparse.Namespace) -> int:
    settings = load(SandboxSettings, service="sandbox")
    planned = replay.plan_replay(parsed.file)
    for line in planned.summary():
        print(line)
    if parsed.truth is not None:
        truth_file.write(parsed.truth, truth_file.submission_lines(planned.submissions))
    with Publisher(access=settings.kafka_as, clock=SystemClock(), ids=RandomIds()) as publisher:
        province.publish(publisher, planned.submissions, rate_per_second=parsed.rate, journal=parsed.published, say=_say)
    print(f"sent as {nger.PROVIDER}; `notices --provider {nger.PROVIDER}` shows what became of them")
    return 0


def _inquire(parsed: argparse.Namespace) -> int:
    settings = load(SandboxSettings, service="sandbox")
    with Bank(access=settings.bank(), ids=RandomIds()) as bank:
        print(MessageToJson(bank.grade(parsed.code), ensure_ascii=False))
        if parsed.report is not None:
            report = bank.report(parsed.code)
            parsed.report.write_bytes(report.signed_report)
            print(f"report revision {report.revision_number} in {parsed.report}; `make verify FILE={parsed.report}` proves it offline")
    return 0


def _watch(parsed: argparse.Namespace) -> int:
    settings = load(SandboxSettings, service="sandbox")
    codes = truth_file.subject_codes(parsed.codes_from)
    journal = bank_watch.Journal(parsed.published)
    with Bank(access=settings.bank(), ids=RandomIds()) as bank:
        seen = bank_watch.watch(
            bank, codes, until_count=parsed.until_count, timeout_s=parsed.timeout, journal=journal, clock=SystemClock(), say=_say
        )
    print(f"{seen.graded} subjects graded, {seen.not_rated} not rated so far, {seen.unanswered} without an answer")
    return 0 if seen.graded >= min(parsed.until_count, len(codes)) else 1


def _token(parsed: argparse.Namespace) -> int:
    access = load(SandboxSettings, service="sandbox").tokens()
    role = parsed.role or "enterprise"
    print(identity_provider.token(access, role=role, subject_code=parsed.subject, now=SystemClock().now(), ids=RandomIds()))
    return 0


def _notices(parsed: argparse.Namespace) -> int:
    settings = load(SandboxSettings, service="sandbox")
    count = 0
    for notice in notices.read_notices(settings.kafka_as(parsed.provider), provider_code=parsed.provider):
        for line in notices.lines(notice):
            print(line)
        count += 1
    print(f"{count} notices")
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _say(line: str) -> None:
    print(line, flush=True)


def _complain(line: str) -> None:
    print(f"sandbox: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
