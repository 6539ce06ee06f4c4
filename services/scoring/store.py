"""Questions that the scoring service asks its tables, each answered in the caller's transaction. Decides nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from services.common import refused_events
from services.common.database import Transaction
from services.scoring.tables import ASSESSMENT, MODEL_POINTER, MODEL_RELEASE, SUBJECT


@dataclass(frozen=True, kw_only=True)
class StoredAccount:
    """The newest account revision of a subject, as the wire made it."""

    subject_code: str
    account_revision: int
    event_id: UUID
    condensed: bytes
    statement_sha256: str


@dataclass(frozen=True, kw_only=True)
class NewestAssessment:
    """What the subject's row says of its newest assessment. `next_change_on` is when time alone may change it."""

    number: int
    assessment_id: UUID
    outcome_sha256: str
    model_sha256: str
    weights_version: str
    scale_version: str
    held_grade: str | None
    assessed_on: date
    next_change_on: date | None


@dataclass(frozen=True, kw_only=True)
class SubjectState:
    """A locked subject. `newest` is None until it has been assessed."""

    subject_id: UUID
    account: StoredAccount
    newest: NewestAssessment | None


@dataclass(frozen=True, kw_only=True)
class NewAssessment:
    """An assessment to be appended, with the columns that people search by."""

    subject_id: UUID
    newest: NewestAssessment
    previous_assessment_id: UUID | None
    account_revision: int
    statement_sha256: str
    score: Decimal | None
    final_grade: str | None
    transition_stage: str | None
    not_rated_codes: str | None
    features: Mapping[str, str | None] | None
    content: bytes
    made_at: datetime


@dataclass(frozen=True, kw_only=True)
class Release:
    """A model release as it is listed; `valid_from` are the instants from which it was pointed to."""

    model_sha256: str
    model_version: str
    profile: str
    card: Mapping[str, Any]
    trained_at: datetime
    valid_from: tuple[datetime, ...]


# -- subjects and assessments -----------------------------------------------------------------------------------------------------


def subjects_for_update(transaction: Transaction, accounts: Mapping[UUID, StoredAccount]) -> dict[UUID, SubjectState]:
    """Lock the subjects of new account revisions, in sorted order, making the rows of new ones, and return them as they were."""
    if not accounts:
        return {}
    rows = [{"subject_id": subject_id, **_account_columns(accounts[subject_id])} for subject_id in sorted(accounts)]
    transaction.execute(insert(SUBJECT).on_conflict_do_nothing(), rows)
    return locked_subjects(transaction, accounts)


def locked_subjects(transaction: Transaction, subject_ids: Iterable[UUID]) -> dict[UUID, SubjectState]:
    """Lock known subjects in sorted order and return them."""
    wanted = sorted(subject_ids)
    query = select(SUBJECT).where(SUBJECT.c.subject_id.in_(wanted)).order_by(SUBJECT.c.subject_id).with_for_update()
    return {row.subject_id: _subject(row) for row in transaction.execute(query)}


def save_assessments(transaction: Transaction, made: Sequence[tuple[StoredAccount, NewAssessment]]) -> None:
    """Append assessments and make each the newest of its subject. The subjects are locked by this transaction."""
    if not made:
        return
    transaction.execute(ASSESSMENT.insert(), [_assessment_columns(one) for _, one in made])
    rows = [{"locked_id": one.subject_id, **_account_columns(account), **_newest_columns(one.newest)} for account, one in made]
    transaction.execute(SUBJECT.update().where(SUBJECT.c.subject_id == bindparam("locked_id")), rows)


def postpone(transaction: Transaction, changes: Mapping[UUID, date | None]) -> None:
    """Note when time alone may next change subjects for which it changed nothing now."""
    for subject_id in sorted(changes):
        transaction.execute(SUBJECT.update().where(SUBJECT.c.subject_id == subject_id).values(next_change_on=changes[subject_id]))


def subjects_due(transaction: Transaction, *, today: date, limit: int) -> list[UUID]:
    """Return subjects whose outcome time alone may have changed by today, the longest due first."""
    query = (
        select(SUBJECT.c.subject_id)
        .where(SUBJECT.c.next_change_on <= today)
        .order_by(SUBJECT.c.next_change_on, SUBJECT.c.subject_id)
        .limit(limit)
    )
    return list(transaction.execute(query).scalars())


def subjects_behind(
    transaction: Transaction, *, model_sha256: str, weights_version: str, scale_version: str, after: UUID | None, limit: int
) -> list[UUID]:
    """Return subjects not assessed by this model, weights and scale, in the order of their ids, beyond `after`."""
    behind = or_(
        SUBJECT.c.model_sha256 != model_sha256,
        SUBJECT.c.weights_version != weights_version,
        SUBJECT.c.scale_version != scale_version,
    )
    query = select(SUBJECT.c.subject_id).where(SUBJECT.c.newest_number > 0, behind)
    if after is not None:
        query = query.where(SUBJECT.c.subject_id > after)
    return list(transaction.execute(query.order_by(SUBJECT.c.subject_id).limit(limit)).scalars())


def newest_assessment_of(transaction: Transaction, subject_code: str) -> bytes | None:
    """Return the newest Assessment message of the subject with this code."""
    query = (
        select(ASSESSMENT.c.content)
        .join(SUBJECT, SUBJECT.c.newest_assessment_id == ASSESSMENT.c.assessment_id)
        .where(SUBJECT.c.subject_code == subject_code)
        .order_by(ASSESSMENT.c.made_at.desc())
        .limit(1)
    )
    content: bytes | None = transaction.execute(query).scalar_one_or_none()
    return content


def newest_assessments(transaction: Transaction) -> list[bytes]:
    """Return the newest Assessment message of every subject."""
    query = select(ASSESSMENT.c.content).join(SUBJECT, SUBJECT.c.newest_assessment_id == ASSESSMENT.c.assessment_id)
    return list(transaction.execute(query.order_by(ASSESSMENT.c.subject_id)).scalars())


# -- models -----------------------------------------------------------------------------------------------------------------------


def current_model(transaction: Transaction, *, at: datetime) -> str | None:
    """Return the hash of the model that is in use at an instant."""
    query = (
        select(MODEL_POINTER.c.model_sha256).where(MODEL_POINTER.c.valid_from <= at).order_by(MODEL_POINTER.c.valid_from.desc()).limit(1)
    )
    sha256: str | None = transaction.execute(query).scalar_one_or_none()
    return sha256


def artefact_of(transaction: Transaction, model_sha256: str) -> bytes:
    """Return the bytes of a released artefact."""
    content: bytes = transaction.execute(select(MODEL_RELEASE.c.artefact).where(MODEL_RELEASE.c.model_sha256 == model_sha256)).scalar_one()
    return content


def add_release(transaction: Transaction, *, model_sha256: str, artefact: bytes, card: Mapping[str, Any], trained_at: datetime) -> None:
    """Keep an artefact; one that is there already stays as it is."""
    row = {
        "model_sha256": model_sha256,
        "model_version": card["name"],
        "profile": card["profile"],
        "artefact": artefact,
        "card": dict(card),
        "trained_at": trained_at,
    }
    transaction.execute(insert(MODEL_RELEASE).values(row).on_conflict_do_nothing())


def point_to(transaction: Transaction, *, model_sha256: str, valid_from: datetime) -> None:
    """Put a released model to use from an instant on."""
    transaction.execute(insert(MODEL_POINTER).values(valid_from=valid_from, model_sha256=model_sha256))


def releases(transaction: Transaction) -> list[Release]:
    """List all releases, newest training last."""
    pointers: dict[str, list[datetime]] = {}
    for pointer in transaction.execute(select(MODEL_POINTER).order_by(MODEL_POINTER.c.valid_from)):
        pointers.setdefault(pointer.model_sha256, []).append(pointer.valid_from)
    columns = (c for c in MODEL_RELEASE.columns if c is not MODEL_RELEASE.c.artefact)
    return [
        Release(
            model_sha256=row.model_sha256,
            model_version=row.model_version,
            profile=row.profile,
            card=row.card,
            trained_at=row.trained_at,
            valid_from=tuple(pointers.get(row.model_sha256, ())),
        )
        for row in transaction.execute(select(*columns).order_by(MODEL_RELEASE.c.trained_at))
    ]


# -- the rest ---------------------------------------------------------------------------------------------------------------------


def counts(transaction: Transaction) -> dict[str, Any]:
    """Count what is in the tables; grades and reasons are those of the newest assessments."""
    newest = select(ASSESSMENT).join(SUBJECT, SUBJECT.c.newest_assessment_id == ASSESSMENT.c.assessment_id).subquery()
    grades = select(newest.c.final_grade, func.count()).where(newest.c.final_grade.is_not(None)).group_by(newest.c.final_grade)
    stages = select(newest.c.transition_stage, func.count()).where(newest.c.final_grade.is_not(None)).group_by(newest.c.transition_stage)
    reasons = select(newest.c.not_rated_codes, func.count()).where(newest.c.final_grade.is_(None)).group_by(newest.c.not_rated_codes)
    by_grade, by_stage, by_reason = (_tally(transaction, query) for query in (grades, stages, reasons))
    return {
        "subjects": transaction.execute(select(func.count()).select_from(SUBJECT)).scalar_one(),
        "assessments": transaction.execute(select(func.count()).select_from(ASSESSMENT)).scalar_one(),
        "rated": sum(by_grade.values()),
        "not_rated": sum(by_reason.values()),
        "grades": by_grade,
        "transition_stages": by_stage,
        "not_rated_reasons": by_reason,
        "model_releases": transaction.execute(select(func.count()).select_from(MODEL_RELEASE)).scalar_one(),
        "refused_events": refused_events.count(transaction),
    }


def _tally(transaction: Transaction, query: Any) -> dict[str, int]:
    return {str(name): int(number) for name, number in sorted(map(tuple, transaction.execute(query)))}


def _subject(row: Any) -> SubjectState:
    newest = None
    if row.newest_number:
        newest = NewestAssessment(
            number=row.newest_number,
            assessment_id=row.newest_assessment_id,
            outcome_sha256=row.newest_outcome_sha256,
            model_sha256=row.model_sha256,
            weights_version=row.weights_version,
            scale_version=row.scale_version,
            held_grade=row.held_grade,
            assessed_on=row.assessed_on,
            next_change_on=row.next_change_on,
        )
    account = StoredAccount(
        subject_code=row.subject_code,
        account_revision=row.account_revision,
        event_id=row.account_event_id,
        condensed=row.statement,
        statement_sha256=row.statement_sha256,
    )
    return SubjectState(subject_id=row.subject_id, account=account, newest=newest)


def _account_columns(account: StoredAccount) -> dict[str, Any]:
    return {
        "subject_code": account.subject_code,
        "account_revision": account.account_revision,
        "account_event_id": account.event_id,
        "statement": account.condensed,
        "statement_sha256": account.statement_sha256,
    }


def _newest_columns(newest: NewestAssessment) -> dict[str, Any]:
    return {
        "newest_number": newest.number,
        "newest_assessment_id": newest.assessment_id,
        "newest_outcome_sha256": newest.outcome_sha256,
        "model_sha256": newest.model_sha256,
        "weights_version": newest.weights_version,
        "scale_version": newest.scale_version,
        "held_grade": newest.held_grade,
        "assessed_on": newest.assessed_on,
        "next_change_on": newest.next_change_on,
    }


def _assessment_columns(one: NewAssessment) -> dict[str, Any]:
    return {
        "assessment_id": one.newest.assessment_id,
        "subject_id": one.subject_id,
        "assessment_number": one.newest.number,
        "account_revision": one.account_revision,
        "statement_sha256": one.statement_sha256,
        "model_sha256": one.newest.model_sha256,
        "weights_version": one.newest.weights_version,
        "scale_version": one.newest.scale_version,
        "previous_assessment_id": one.previous_assessment_id,
        "assessed_on": one.newest.assessed_on,
        "score": one.score,
        "final_grade": one.final_grade,
        "transition_stage": one.transition_stage,
        "not_rated_codes": one.not_rated_codes,
        "features": one.features,
        "content": one.content,
        "made_at": one.made_at,
    }
