"""The commands about methods: list, explain, try on a subject, release, recompute. Parses and prints; what is done is done elsewhere."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from services.collector import method_files, method_text
from services.collector.domain.pack_set import LinkedPack
from services.collector.method_releases import recompute, release
from services.collector.method_trial import try_pack
from services.collector.store import methods as store
from services.common.database import Database
from services.common.errors import ErrorKind, Refused
from services.common.identifiers import RandomIds

# Adds who decides something, and why, to a command.
Decided = Callable[[argparse.ArgumentParser], None]
# Opens the database by the settings; with it comes the province that accounts are kept for.
Opened = Callable[[], AbstractContextManager[tuple[Database, str]]]
SUBJECTS_PER_SECOND = 5


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", *, opened: Opened, add_decision: Decided) -> None:
    """Add the commands to the parser of the service."""
    methods = commands.add_parser("methods", help="accounting methods and their releases").add_subparsers(required=True, metavar="COMMAND")

    listed = methods.add_parser("list", help="list the packs of this program, or of another folder")
    _add_folder(listed)
    listed.set_defaults(command=_list)

    explained = methods.add_parser("explain", help="explain a pack: formulas, factors with source, worked examples")
    explained.add_argument("pack", metavar="PACK", help="code or code/edition")
    _add_folder(explained)
    explained.set_defaults(command=_explain)

    tried = methods.add_parser("dry-run", help="print what a pack would post for a subject beside what stands; writes nothing")
    tried.add_argument("pack", metavar="PACK", help="code or code/edition")
    tried.add_argument("--subject", required=True, metavar="CODE", help="unified social credit code")
    _add_folder(tried)
    tried.set_defaults(command=lambda parsed: _dry_run(parsed, opened))

    shown = methods.add_parser("releases", help="list the releases and how many accounts are drawn up by each")
    shown.set_defaults(command=lambda parsed: _releases(parsed, opened))

    released = methods.add_parser("release", help="record the method files of this program as a new release; no account changes by it")
    add_decision(released)
    released.set_defaults(command=lambda parsed: _release(parsed, opened))

    run = methods.add_parser("recompute", help="move accounts to a release; what differs is corrected as they are drawn up anew")
    run.add_argument("--release", type=int, required=True, metavar="NUMBER", help="the release to account by")
    whom = run.add_mutually_exclusive_group(required=True)
    whom.add_argument("--subject", metavar="CODE", help="one subject, by its unified social credit code")
    whom.add_argument("--all", action="store_true", help="every subject that is accounted by another release")
    run.add_argument(
        "--per-second", type=_positive, default=SUBJECTS_PER_SECOND, metavar="N", help="accounts a second (default: %(default)s)"
    )
    add_decision(run)
    run.set_defaults(command=lambda parsed: _recompute(parsed, opened))


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, default=method_files.METHODS, help="where the method files are (default: those shipped)")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _list(parsed: argparse.Namespace) -> int:
    print(method_text.packs_text(method_files.load(parsed.folder)), end="")
    return 0


def _explain(parsed: argparse.Namespace) -> int:
    print(method_text.pack_text(_found(method_files.load(parsed.folder), parsed.pack)), end="")
    return 0


def _found(linked: list[LinkedPack], pack_code: str) -> LinkedPack:
    of_code = [one for one in linked if pack_code in (one.pack.code, one.pack.method_code)]
    if len(of_code) != 1:
        known = ", ".join(one.pack.method_code for one in linked)
        raise Refused(ErrorKind.NOT_FOUND, "PACK_NOT_FOUND", f"{pack_code} names {len(of_code)} packs; there are {known}")
    return of_code[0]


def _dry_run(parsed: argparse.Namespace, opened: Opened) -> int:
    files = {**method_files.shipped(), **method_files.texts_of(parsed.folder)}
    with opened() as (database, province):
        trial = try_pack(database, files, pack_code=parsed.pack, code=parsed.subject, province=province)
    print(method_text.trial_text(trial), end="")
    return 0


def _releases(_: argparse.Namespace, opened: Opened) -> int:
    with opened() as (database, _province), database.transaction("methods.releases") as transaction:
        releases, accounts = store.releases(transaction), store.subjects_by_release(transaction)
    print(method_text.releases_text(releases, accounts, method_files.content_sha256(method_files.shipped())), end="")
    return 0


def _release(parsed: argparse.Namespace, opened: Opened) -> int:
    with opened() as (database, _province):
        made = release(database, method_files.shipped(), operator=parsed.operator, reason=parsed.reason)
    print(f"release {made.release_number}, sha256 {made.content_sha256.hex()}; no account changed: move them by `methods recompute`")
    return 0


def _recompute(parsed: argparse.Namespace, opened: Opened) -> int:
    with opened() as (database, _province):
        run = recompute(
            database,
            RandomIds(),
            release_number=parsed.release,
            code=None if parsed.all else parsed.subject,
            operator=parsed.operator,
            reason=parsed.reason,
            subjects_per_second=parsed.per_second,
        )
    print(f"run {run.run_id}: {run.subjects} accounts go to release {run.release_number}, {parsed.per_second} a second")
    return 0
