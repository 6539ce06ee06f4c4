"""Does what an AccountRevised asks for: one assessment of the subject, in the transaction that advances the Kafka positions.

Of several revisions of a subject in one batch the newest is assessed. What cannot be read is kept aside and the stream goes on.
"""

from collections.abc import Sequence
from uuid import UUID

from services.common import inbox, refused_events
from services.common.consumer import Record
from services.common.database import Transaction
from services.common.refused_events import Refusal
from services.scoring import assessment, wire
from services.scoring.assessment import Assessing, Made
from services.scoring.wire import Account

TOPICS = (wire.ACCOUNT_REVISED_TOPIC,)
# A batch is one transaction: at a few milliseconds a subject it stays short, and the first of it is not kept waiting.
RECORDS_MAX = 50


class AccountConsumer:
    """Handles batches of AccountRevised. A batch handled again makes the same assessments, or none if they are there."""

    def __init__(self, *, assessing: Assessing) -> None:
        self._assessing = assessing
        self._made: tuple[Made, ...] = ()
        self._refused: list[Refusal] = []

    def handle(self, transaction: Transaction, records: Sequence[Record]) -> None:
        """Assess what the batch makes news. A crash before the commit: nothing has happened; after: assessments and events are there."""
        # 1. Read the events; those that cannot be read are kept aside.
        newest, refused = _read(records)
        # 2. Refuse what was taken before or has been overtaken.
        taken = inbox.news(
            transaction,
            topic=wire.ACCOUNT_REVISED_TOPIC,
            revisions={subject_id: account.statement.account_revision for subject_id, account in newest.items()},
        )
        # 3. Lock the subjects in sorted order, decide, append the assessments and their events.
        result = self._assessing.assess_accounts(transaction, {subject_id: newest[subject_id] for subject_id in taken})
        refused_events.keep(transaction, refused)
        self._made, self._refused = result.made, refused

    def after_commit(self) -> None:
        """Log what the committed batch made."""
        assessment.tell(self._made)
        refused_events.tell(self._refused)
        self._made, self._refused = (), []


def _read(records: Sequence[Record]) -> tuple[dict[UUID, Account], list[Refusal]]:
    """Return the newest account of each subject in the batch, and the records that could not be read with the reason."""
    newest: dict[UUID, Account] = {}
    refused: list[Refusal] = []
    for record in records:
        try:
            account = wire.account_revised(record.value)
        except wire.UnreadableEventError as error:
            refused.append((record, error.reason))
            continue
        before = newest.get(account.statement.subject_id)
        if before is None or before.statement.account_revision < account.statement.account_revision:
            newest[account.statement.subject_id] = account
    return newest, refused
