"""Compares what the bureau holds with what was sent and with itself, after the stack has come to rest.

Shares no code with the services: it reads their tables with an administrator's read-only connection (rows as dictionaries), decodes
the contract's messages, and makes accounts (account_by_hand.py), Merkle roots and signatures again. Every checker returns the
problems it found, one sentence each; an empty list is what a test wants. `everything` runs all that need nothing but the tables.
"""

import base64
import csv
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from carbonbureau.accounts.v1 import account_pb2
from carbonbureau.bureau.v1 import inquiry_service_pb2
from carbonbureau.intake.v1 import submission_pb2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf import json_format

from services.sandbox.domain.nger import REGION
from services.sandbox.domain.subject_codes import subject_code
from services.sandbox.truth_file import PlannedRecord
from tests import account_by_hand
from tests.account_by_hand import Effective, Line

Rows = list[dict[str, Any]]
Connection = psycopg.Connection[dict[str, Any]]

_SHOWN_MAX = 20


def everything(connection: Connection, *, truth: Sequence[PlannedRecord] = (), times_sent: int = 1, published_keys: Path) -> list[str]:
    """Run every checker that needs only the tables; with `truth`, what was planned and sent `times_sent` times as well."""
    return [
        *submissions_are_as_planned(connection, truth, times_sent=times_sent),
        *every_record_is_accounted_for(connection),
        *accounts_hold_every_submission(connection),
        *accounts_follow_from_submissions(connection),
        *account_revisions_are_whole(connection),
        *every_account_is_assessed(connection),
        *reports_are_chained_and_signed(connection, published_keys),
        *reports_state_the_last_assessment(connection),
        *gateway_holds_what_was_issued(connection),
        *answers_were_issued(connection),
    ]


# ---- Intake ----


def submissions_are_as_planned(connection: Connection, records: Sequence[PlannedRecord], *, times_sent: int = 1) -> list[str]:
    """Every planned record has exactly its expected outcome; what is sent again is a duplicate, a refusal or a quarantine again."""
    held = {
        (row["provider_code"], row["kind"], row["record_number"], row["record_revision"]): row
        for row in _rows(connection, "SELECT * FROM collector.submission")
    }
    counted = {
        table: Counter(
            (row["topic"], bytes(row["value_sha256"]).hex())
            for row in _rows(connection, f"SELECT topic, value_sha256 FROM collector.{table}")
        )
        for table in ("rejected_record", "quarantined_record")
    }
    query = "SELECT d.topic, s.value_sha256 FROM collector.duplicate_record d JOIN collector.submission s USING (submission_id)"
    duplicates = Counter((row["topic"], bytes(row["value_sha256"]).hex()) for row in _rows(connection, query))
    expected: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    problems = []
    for record in records:
        name = f"{record.provider_code} {record.kind} {record.record_number} revision {record.record_revision}"
        place = (record.topic, record.sha256)
        match record.expected:
            case "accepted" | "parked_then_effective":
                row = held.get((record.provider_code, record.kind, record.record_number, record.record_revision))
                outcome = "ACCEPTED" if record.expected == "accepted" else "PARKED"
                if row is None:
                    problems.append(f"{name} is not held")
                elif bytes(row["value_sha256"]).hex() != record.sha256:
                    problems.append(f"{name} is held with other bytes")
                elif row["outcome"] != outcome:
                    problems.append(f"{name} was {row['outcome']}, planned was {outcome}")
                expected["duplicate"][place] += times_sent - 1
            case "duplicate":
                expected["duplicate"][place] += times_sent
            case "rejected":
                expected["rejected_record"][place] += times_sent
            case "quarantined":
                expected["quarantined_record"][place] += times_sent
            case _:
                problems.append(f"{name}: the truth expects {record.expected}, which is no outcome")
    for what, found in (*counted.items(), ("duplicate", duplicates)):
        for place in sorted(expected[what].keys() | ({key for key in found if key[0] in {one.topic for one in records}})):
            if expected[what][place] != found[place]:
                problems.append(f"{what} {place[1][:12]} on {place[0]}: {found[place]} times, planned {expected[what][place]} times")
    return _shown("submissions as planned", problems)


_CAME_OUT = "outcome_after IN ('ACCEPTED', 'PARKED') OR (outcome_before, outcome_after) = ('QUARANTINED', 'REJECTED')"


def every_record_is_accounted_for(connection: Connection, *, ends: Mapping[tuple[str, int], int] | None = None) -> list[str]:
    """Each offset up to the stored position is accepted, duplicate, rejected or quarantined, exactly once, and in one receipt.

    With `ends` (topic and partition to end offset, as Kafka has them) nothing is left unread either.
    """
    tables = ("submission", "duplicate_record", "rejected_record", "quarantined_record")
    union = " UNION ALL ".join(f"SELECT topic, topic_id, partition, record_offset FROM collector.{table}" for table in tables)
    # What an operator had taken in later stands where it was set aside as well; it counts once.
    union = f"{union} EXCEPT ALL SELECT topic, topic_id, partition, record_offset FROM collector.redriven_record WHERE {_CAME_OUT}"
    places = Counter((row["topic"], row["topic_id"], row["partition"], row["record_offset"]) for row in _rows(connection, union))
    problems = [f"{key[0]}-{key[2]}@{key[3]} became {count} things" for key, count in places.items() if count > 1]
    counted = Counter(key[:3] for key in places)
    query = "SELECT topic, topic_id, partition, next_offset, retired_at FROM collector.consumer_position WHERE topic LIKE 'intake.%'"
    for row in _rows(connection, query):
        key = (row["topic"], row["topic_id"], row["partition"])
        if counted[key] != row["next_offset"]:
            problems.append(f"{row['topic']}-{row['partition']} was read up to {row['next_offset']}, {counted[key]} records are kept")
        end = None if ends is None or row["retired_at"] else ends.get((row["topic"], row["partition"]))
        if end is not None and end != row["next_offset"]:
            problems.append(f"{row['topic']}-{row['partition']} ends at {end}, was read up to {row['next_offset']}")
    problems += _receipt_problems(connection, counted)
    for row in _rows(
        connection,
        "SELECT r.topic, r.record_offset FROM collector.rejected_record r WHERE NOT EXISTS (SELECT FROM collector.record_finding f "
        "WHERE (f.topic_id, f.partition, f.record_offset) = (r.topic_id, r.partition, r.record_offset))",
    ):
        problems.append(f"{row['topic']}@{row['record_offset']} was rejected without a finding")
    return _shown("records accounted for", problems)


def _receipt_problems(connection: Connection, counted: Mapping[tuple[Any, ...], int]) -> Iterator[str]:
    told: Counter[tuple[Any, ...]] = Counter()
    next_offset: dict[tuple[Any, ...], int] = {}
    for row in _rows(connection, "SELECT * FROM collector.receipt ORDER BY topic_id, partition, first_offset"):
        key = (row["topic"], row["topic_id"], row["partition"])
        told[key] += sum(row[f"{what}_count"] for what in ("accepted", "duplicate", "rejected", "quarantined"))
        if row["first_offset"] != next_offset.get(key, 0):
            yield f"a receipt of {row['topic']} begins at {row['first_offset']} after {next_offset.get(key, 0)}"
        next_offset[key] = row["last_offset"] + 1
    for key in sorted(counted.keys() | told.keys(), key=str):
        if counted.get(key, 0) != told[key]:
            yield f"receipts of {key[0]} tell of {told[key]} records, {counted.get(key, 0)} are kept"


# ---- Accounts ----


def _effective(connection: Connection) -> dict[Any, list[Effective]]:
    """List the effective submissions of each subject: the highest revision of each record that none before it is missing to."""
    records: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in _rows(connection, "SELECT * FROM collector.submission"):
        records[row["subject_id"], row["provider_code"], row["kind"], row["record_number"]][row["record_revision"]] = row
    effective: dict[Any, list[Effective]] = defaultdict(list)
    for (subject_id, provider_code, _, record_number), revisions in records.items():
        highest = 0
        while highest + 1 in revisions:
            highest += 1
        if highest:
            row = revisions[highest]
            message = submission_pb2.Submission()
            if row["is_json"]:
                json_format.Parse(bytes(row["value"]).decode(), message)
            else:
                message.ParseFromString(bytes(row["value"]))
            effective[subject_id].append(Effective(provider_code, record_number, bytes(row["value_sha256"]), message))
    return effective


def accounts_hold_every_submission(connection: Connection) -> list[str]:
    """The last revision of each account counts every effective submission: its evidence has their number and their Merkle root."""
    last = {
        row["subject_id"]: row
        for row in _rows(
            connection,
            "SELECT DISTINCT ON (subject_id) subject_id, evidence_root, evidence_count FROM collector.account_revision "
            "ORDER BY subject_id, account_revision DESC",
        )
    }
    problems = []
    for subject_id, submissions in _effective(connection).items():
        row = last.get(subject_id)
        if row is None:
            problems.append(f"subject {subject_id} has {len(submissions)} effective submissions and no account revision")
        elif row["evidence_count"] != len(submissions):
            problems.append(f"account {subject_id} counts {row['evidence_count']} submissions, {len(submissions)} are effective")
        elif bytes(row["evidence_root"]) != merkle_root(sorted(one.sha256 for one in submissions)):
            problems.append(f"account {subject_id} has another evidence root than its submissions")
    return _shown("accounts hold every submission", problems)


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Compute the Merkle tree hash of RFC 6962 section 2.1, by its recursive definition."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def accounts_follow_from_submissions(connection: Connection) -> list[str]:
    """The net postings of each account are those that its effective submissions make by the published methods."""
    posted: dict[Any, Counter[Line]] = defaultdict(Counter)
    query = """
        SELECT subject_id, period_start, period_end, scope, energy_carrier, amount_tco2e FROM collector.posting p
        WHERE reverses IS NULL AND NOT EXISTS (SELECT FROM collector.posting r WHERE r.reverses = p.posting_id)
    """
    for row in _rows(connection, query):
        line = Line((row["period_start"], row["period_end"]), row["scope"], row["energy_carrier"], row["amount_tco2e"])
        posted[row["subject_id"]][line] += 1
    problems = []
    effective = _effective(connection)
    for subject_id in effective.keys() | posted.keys():
        computed = Counter(account_by_hand.lines(effective.get(subject_id, [])))
        problems += [f"account {subject_id} lacks {line}" for line in (computed - posted[subject_id]).elements()]
        problems += [f"account {subject_id} has {line}, which no submission makes" for line in (posted[subject_id] - computed).elements()]
    # A reversal takes back exactly what it names, so that the sum of all postings is the sum of those that stand.
    query = """
        SELECT r.posting_id FROM collector.posting r LEFT JOIN collector.posting p ON p.posting_id = r.reverses
        WHERE r.reverses IS NOT NULL AND (p.posting_id IS NULL OR p.reverses IS NOT NULL OR r.account_revision <= p.account_revision
            OR (r.subject_id, r.facility_id, r.period_start, r.period_end, r.scope, r.energy_carrier, -r.amount_tco2e)
            IS DISTINCT FROM (p.subject_id, p.facility_id, p.period_start, p.period_end, p.scope, p.energy_carrier, p.amount_tco2e))
    """
    problems += [f"reversal {row['posting_id']} does not take back what it names" for row in _rows(connection, query)]
    return _shown("accounts follow from submissions", problems)


def account_revisions_are_whole(connection: Connection) -> list[str]:
    """Account revisions are numbered 1, 2, … without gap, are what was hashed, and the last one says what is posted."""
    query = """
        SELECT subject_id, count(r.account_revision) AS n, coalesce(max(r.account_revision), 0) AS last, s.account_revision AS told
        FROM collector.subject s LEFT JOIN collector.account_revision r USING (subject_id) GROUP BY subject_id, s.account_revision
        HAVING count(r.account_revision) <> coalesce(max(r.account_revision), 0)
            OR s.account_revision <> coalesce(max(r.account_revision), 0)
    """
    problems = [
        f"account {row['subject_id']} has {row['n']} revisions, the last {row['last']}, the newest told {row['told']}"
        for row in _rows(connection, query)
    ]
    posted = {
        row["subject_id"]: row["total"]
        for row in _rows(connection, "SELECT subject_id, sum(amount_tco2e) AS total FROM collector.posting GROUP BY subject_id")
    }
    for row in _rows(connection, "SELECT * FROM collector.account_revision WHERE statement_sha256 <> sha256(statement)"):
        problems.append(f"statement {row['account_revision']} of {row['subject_id']} is not what was hashed")
    for subject_id, statement in _last_statements(connection).items():
        total = sum((Decimal(line.amount_tco2e) for line in statement.lines), Decimal(0))
        if total != posted.get(subject_id, Decimal(0)):
            problems.append(f"the statement of {subject_id} says {total} t, its postings {posted.get(subject_id)} t")
    return _shown("account revisions are whole", problems)


def _last_statements(connection: Connection) -> dict[Any, account_pb2.AccountStatement]:
    """Return the last statement of each subject, but for those that are not what was hashed: these may not even parse."""
    query = """
        SELECT subject_id, statement FROM (
            SELECT DISTINCT ON (subject_id) * FROM collector.account_revision ORDER BY subject_id, account_revision DESC
        ) AS newest
        WHERE statement_sha256 = sha256(statement)
    """
    return {row["subject_id"]: account_pb2.AccountStatement.FromString(bytes(row["statement"])) for row in _rows(connection, query)}


# ---- Assessments ----


def every_account_is_assessed(connection: Connection) -> list[str]:
    """The last revision of each account is assessed, each at most once a day by one model, and assessments form a chain."""
    query = """
        SELECT subject_id, account_revision, count(*) AS n FROM scoring.assessment
        GROUP BY subject_id, account_revision, assessed_on, model_sha256, weights_version, scale_version HAVING count(*) > 1
    """
    problems = [
        f"account revision {row['account_revision']} of {row['subject_id']} was assessed {row['n']} times"
        for row in _rows(connection, query)
    ]
    query = """
        SELECT c.subject_id, c.account_revision, a.account_revision AS assessed, a.statement_sha256,
            encode(r.statement_sha256, 'hex') AS sealed
        FROM collector.subject c JOIN collector.account_revision r USING (subject_id, account_revision)
        LEFT JOIN (SELECT DISTINCT ON (subject_id) * FROM scoring.assessment ORDER BY subject_id, assessment_number DESC) a
            USING (subject_id)
        WHERE a.account_revision IS DISTINCT FROM c.account_revision OR a.statement_sha256 <> encode(r.statement_sha256, 'hex')
    """
    for row in _rows(connection, query):
        problems.append(
            f"account {row['subject_id']} is at revision {row['account_revision']}, assessed was {row['assessed']}, statement "
            f"{row['statement_sha256']} for {row['sealed']}"
        )
    query = """
        SELECT subject_id, assessment_number FROM (
            SELECT *, row_number() OVER w AS place, lag(assessment_id) OVER w AS before, lag(account_revision) OVER w AS revision_before
            FROM scoring.assessment WINDOW w AS (PARTITION BY subject_id ORDER BY assessment_number)
        ) AS chain
        WHERE assessment_number <> place OR previous_assessment_id IS DISTINCT FROM before OR account_revision < revision_before
    """
    problems += [f"assessment {row['assessment_number']} of {row['subject_id']} breaks its chain" for row in _rows(connection, query)]
    return _shown("every account is assessed", problems)


# ---- Reports ----


def reports_are_chained_and_signed(connection: Connection, published_keys: Path) -> list[str]:
    """Revisions are numbered without gap, issued, each names its predecessor's hash, and its signature is over what is kept."""
    keys = {key["kid"]: Ed25519PublicKey.from_public_bytes(_unpadded(key["x"])) for key in json.loads(published_keys.read_bytes())["keys"]}
    problems = []
    before: dict[str, Any] | None = None
    for row in _rows(connection, "SELECT * FROM reports.report_revision ORDER BY subject_id, revision_number"):
        name = f"revision {row['revision_number']} of {row['subject_id']}"
        if before is not None and before["subject_id"] != row["subject_id"]:
            before = None
        number = 1 if before is None else before["revision_number"] + 1
        link = None if before is None else {"number": before["revision_number"], "content_sha256": before["content_sha256"]}
        if row["revision_number"] != number or row["predecessor_sha256"] != (None if before is None else before["content_sha256"]):
            problems.append(f"{name} does not follow the one before it")
        if row["content_sha256"] != hashlib.sha256(bytes(row["content"])).hexdigest():
            problems.append(f"{name} is not what was hashed")
        if row["state"] != "ISSUED":
            problems.append(f"{name} is {row['state']}")
        else:
            problems += [f"{name}: {problem}" for problem in _signature_problems(row, link, keys)]
        before = row
    return _shown("reports are chained and signed", problems)


def _signature_problems(row: Mapping[str, Any], link: object, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[str]:
    header, payload, signature = bytes(row["signed_report"]).split(b".")
    protected = json.loads(_unpadded(header))
    if protected.get("kid") != row["key_id"] or row["key_id"] not in keys:
        yield f"signed by {protected.get('kid')}, which is not the published key {row['key_id']}"
        return
    try:
        keys[row["key_id"]].verify(_unpadded(signature), header + b"." + payload)
    except InvalidSignature:
        yield "the signature does not verify"
    if _unpadded(payload) != bytes(row["content"]):
        yield "other bytes were signed than are kept"
    report = json.loads(_unpadded(payload))
    if report["revision"] != {"number": row["revision_number"], "predecessor": link}:
        yield f"says of itself {report['revision']}"
    if report["subject"]["code"] != row["subject_code"]:
        yield f"is about {report['subject']['code']}"


def _unpadded(text: str | bytes) -> bytes:
    raw = text.encode("ascii") if isinstance(text, str) else text
    return base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))


def reports_state_the_last_assessment(connection: Connection) -> list[str]:
    """The last revision of each subject states what its last assessment found and is pinned to."""
    query = """
        SELECT a.*, r.content, r.state FROM (
            SELECT DISTINCT ON (subject_id) * FROM scoring.assessment ORDER BY subject_id, assessment_number DESC
        ) AS a LEFT JOIN (
            SELECT DISTINCT ON (subject_id) * FROM reports.report_revision ORDER BY subject_id, revision_number DESC
        ) AS r USING (subject_id)
    """
    problems = []
    for row in _rows(connection, query):
        if row["content"] is None:
            problems.append(f"subject {row['subject_id']} is assessed and has no report")
            continue
        report = json.loads(bytes(row["content"]))
        stated = report["assessment"]
        found = (
            report["pins"]["account_revision"],
            report["pins"]["statement_sha256"],
            report["pins"]["model_sha256"],
            stated.get("score"),
            stated["grades"]["final"] if "grades" in stated else None,
            ",".join(reason["code"] for reason in stated["reasons"]) if "reasons" in stated else None,
        )
        score = None if row["score"] is None else str(row["score"])
        wanted = (row["account_revision"], row["statement_sha256"], row["model_sha256"], score, row["final_grade"], row["not_rated_codes"])
        if found != wanted:
            problems.append(f"the report of {row['subject_id']} states {found}, assessed was {wanted}")
    return _shown("reports state the last assessment", problems)


# ---- Gateway ----


def gateway_holds_what_was_issued(connection: Connection) -> list[str]:
    """The gateway's copy is the issued revisions, byte for byte, and it answers from the last of each subject."""
    columns = "subject_id, revision_number, subject_code, signed_report, content_sha256, key_id"
    issued = f"SELECT {columns} FROM reports.report_revision WHERE state = 'ISSUED'"
    held = f"SELECT {columns} FROM gateway.report_revision"
    problems = []
    for what, query in (("lacks", f"{issued} EXCEPT {held}"), ("has, though not issued,", f"{held} EXCEPT {issued}")):
        problems += [f"the gateway {what} revision {row['revision_number']} of {row['subject_id']}" for row in _rows(connection, query)]
    query = """
        SELECT subject_id, last.revision_number, g.revision_number AS answered FROM (
            SELECT subject_id, max(revision_number) AS revision_number FROM gateway.report_revision GROUP BY subject_id
        ) AS last FULL JOIN gateway.credit_grade g USING (subject_id) WHERE g.revision_number IS DISTINCT FROM last.revision_number
    """
    problems += [
        f"the gateway answers for {row['subject_id']} from revision {row['answered']}, the last is {row['revision_number']}"
        for row in _rows(connection, query)
    ]
    return _shown("gateway holds what was issued", problems)


def answers_were_issued(connection: Connection) -> list[str]:
    """Every answer on record belongs to a permitted inquiry of that subject and gave out a revision that was issued."""
    query = """
        SELECT o.outcome_id FROM gateway.inquiry_outcome o JOIN gateway.inquiry i USING (inquiry_id)
        WHERE o.outcome = 'SERVED' AND (i.decision <> 'PERMITTED' OR NOT EXISTS (
            SELECT FROM gateway.report_revision r
            WHERE (r.subject_code, r.revision_number, r.content_sha256) = (i.subject_code, o.revision_number, o.content_sha256)))
    """
    problems = [f"answer {row['outcome_id']} gave out what was not issued or not permitted" for row in _rows(connection, query)]
    return _shown("answers were issued", problems)


def answers_are_recorded(
    connection: Connection, answers: Sequence[inquiry_service_pb2.CreditGrade | inquiry_service_pb2.CreditReport]
) -> list[str]:
    """Every answer that a bank holds in hand was recorded as served, with its subject and revision, under its inquiry."""
    query = """
        SELECT inquiry_id::text AS inquiry_id, i.subject_code, o.revision_number, o.content_sha256
        FROM gateway.inquiry i JOIN gateway.inquiry_outcome o USING (inquiry_id) WHERE i.decision = 'PERMITTED' AND o.outcome = 'SERVED'
    """
    recorded = {tuple(row.values()) for row in _rows(connection, query)}
    problems = []
    for answer in answers:
        match answer:
            case inquiry_service_pb2.CreditGrade():
                given = (answer.inquiry_id, answer.subject_code, answer.report_revision_number, answer.report_content_sha256)
            case _:
                given = (answer.inquiry_id, answer.subject_code, answer.revision_number, answer.content_sha256)
        if given not in recorded:
            problems.append(f"the bank holds revision {given[2]} under inquiry {given[0]}, which is not on record")
    return _shown("answers are recorded", problems)


# ---- Real records ----


def accounts_equal_the_facility_file(connection: Connection, file: Path) -> list[str]:
    """Output, scope 1 and scope 2 by facility, fuel and financial year are those of the file of real facility records."""
    expected: dict[tuple[str, str, str, str], Decimal] = defaultdict(Decimal)
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            code = subject_code(name=f"nger/{row['facility_id']}", region_code=REGION)
            fuel = row["fuel"].lower().replace("/", "_").replace(" ", "_")
            for what, column in (("output", "generation_mwh"), ("scope 1", "scope1_t"), ("scope 2", "scope2_t")):
                expected[code, fuel, row["fy_end_year"], what] += Decimal(row[column])
    found: dict[tuple[str, str, str, str], Decimal] = defaultdict(Decimal)
    for statement in _last_statements(connection).values():
        if statement.subject_code[2:8] != REGION:
            continue
        for line in statement.lines:
            found[statement.subject_code, line.energy_carrier, line.period.end_date[:4], f"scope {line.scope}"] += Decimal(
                line.amount_tco2e
            )
        for output in statement.outputs:
            found[statement.subject_code, output.process_route, output.period.end_date[:4], "output"] += Decimal(output.amount)
    # A figure of zero is on the account as well: what is missing is told from what is nothing.
    problems = [
        f"{what} of {code}, {fuel}, {year}: account {found.get((code, fuel, year, what))}, file {expected.get((code, fuel, year, what))}"
        for code, fuel, year, what in sorted(expected.keys() | found.keys())
        if found.get((code, fuel, year, what)) != expected.get((code, fuel, year, what))
    ]
    return _shown("accounts equal the facility file", problems)


def _rows(connection: Connection, query: str) -> Rows:
    return list(connection.execute(query.encode()).fetchall())


def _shown(checker: str, problems: Sequence[str]) -> list[str]:
    """Name the checker, and keep a run that went wrong everywhere readable."""
    more = [f"{checker}: … and {len(problems) - _SHOWN_MAX} more"] if len(problems) > _SHOWN_MAX else []
    return [*(f"{checker}: {problem}" for problem in problems[:_SHOWN_MAX]), *more]
