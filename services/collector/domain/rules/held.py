"""The rules that need to know what is already held under the business key of a record."""

from collections.abc import Callable

from services.collector.domain.finding import Severity
from services.collector.domain.rules.rule import rule

# The SHA-256 of what has come and of what is held under its key.
HeldCheck = Callable[[bytes, bytes], str | None]


@rule(
    rule_id="FORM_KEY_CONFLICT",
    severity=Severity.SEVERE,
    rationale="A submission is immutable: two different statements under one key would make the account depend on which came first.",
    possible_harm="The account would depend on which of two statements came first; neither could be proved.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="A correction was sent without counting record_revision up, or the JSON of the same record was written anew.",
    what_to_do="Send the changed record with the next record_revision; one about another subject under a new record_number.",
)
def key_conflict(arrived_sha256: bytes, held_sha256: bytes) -> str | None:
    """Say that the key is taken by other bytes; the same bytes are a duplicate, which is no finding."""
    if held_sha256 == arrived_sha256:
        return None
    return "record_number and record_revision already stand for other bytes of this kind"
