"""The rules that need to know what is already held of a record: under its business key, and of the revisions before it."""

from collections.abc import Callable
from dataclasses import dataclass

from services.collector.domain.finding import Severity
from services.collector.domain.rules.rule import rule


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What is held of a record to which something more has come.

    `sha256` is of the bytes under the same revision, None when there are none; `revisions_of_others` are the earlier revisions that
    are about another subject.
    """

    sha256: bytes | None = None
    revisions_of_others: tuple[int, ...] = ()


HeldCheck = Callable[[bytes, Held], str | None]


@rule(
    rule_id="FORM_KEY_CONFLICT",
    severity=Severity.SEVERE,
    rationale="A submission is immutable: two different statements under one key would make the account depend on which came first.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="A correction was sent without counting record_revision up, or the JSON of the same record was written anew.",
    what_to_do="Send the changed record with the next record_revision.",
)
def key_conflict(arrived_sha256: bytes, held: Held) -> str | None:
    """Say that the key is taken by other bytes; the same bytes are a duplicate, which is no finding."""
    if held.sha256 is None or held.sha256 == arrived_sha256:
        return None
    return "record_number and record_revision already stand for other bytes of this kind"


@rule(
    rule_id="FORM_CORRECTION_OF_ANOTHER_SUBJECT",
    severity=Severity.SEVERE,
    rationale="A correction replaces what it corrects. About another subject it would replace nothing there and wait for ever here.",
    source="this bureau, identity (README, decisions): a wrong subject is withdrawn and sent anew",
    innocent_explanation="The original named the wrong subject; or the record number was used again for another one.",
    what_to_do="Correct the original to 0 under its own subject_code, and send the record for the right subject under a new record_number.",
)
def correction_of_another_subject(arrived_sha256: bytes, held: Held) -> str | None:
    """Say which earlier revision is about another subject; what is held itself is judged by its bytes."""
    if held.sha256 is not None or not held.revisions_of_others:
        return None
    return f"subject_code is not that of record_revision {held.revisions_of_others[0]} of this record"
