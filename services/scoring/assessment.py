"""Does an assessment: locks the subject, observes, asks the model, decides, appends, emits. In the caller's transaction.

Used for account revisions as they arrive, for the wave after a new model or table, and for what time alone changes.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from services.common import outbox
from services.common.clock import Clock
from services.common.database import Transaction
from services.common.identifiers import masked
from services.common.outbox import OutgoingEvent
from services.scoring import metrics, store, wire
from services.scoring.domain.assessment import Assessment, Outcome, Pins, Rated, next_change_on, rate
from services.scoring.domain.features import FEATURE_NAMES, Features, features
from services.scoring.domain.grade import Grade, Scale
from services.scoring.domain.not_rated import NotRated, comparable
from services.scoring.domain.parameters import Parameters
from services.scoring.domain.statement import Statement
from services.scoring.model import Model
from services.scoring.store import NewAssessment, NewestAssessment, StoredAccount, SubjectState
from services.scoring.wire import Account

_log = logging.getLogger(__name__)

# Statutory clocks run in Asia/Shanghai; the day of an assessment is a day there.
CIVIL_ZONE = ZoneInfo("Asia/Shanghai")


class Models(Protocol):
    """Gives the model in use, or raises what its caller can wait out."""

    def get(self) -> Model: ...


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one run made of one subject."""

    account: Account
    assessment: Assessment
    stored: NewAssessment
    event: OutgoingEvent


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a batch made, and the subjects whose outcome was the same as before."""

    made: tuple[Made, ...]
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class _Decided:
    """The outcome for one statement on one day, what it rests on, and when time alone may change it."""

    outcome: Outcome
    observed: Features | None
    next_change_on: date | None


class Assessing:
    """Assesses subjects by one set of published parameters and the model in use."""

    def __init__(self, *, clock: Clock, parameters: Parameters, scale: Scale, models: Models, province: str) -> None:
        self._clock = clock
        self._parameters = parameters
        self._scale = scale
        self._models = models
        self._province = province

    @property
    def parameters(self) -> Parameters:
        return self._parameters

    @property
    def scale(self) -> Scale:
        return self._scale

    def today(self) -> date:
        """Return the civil day of an assessment made now."""
        return self._clock.now().astimezone(CIVIL_ZONE).date()

    def model(self) -> Model:
        """Return the model in use."""
        return self._models.get()

    def assess_accounts(self, transaction: Transaction, accounts: Mapping[UUID, Account]) -> Result:
        """Assess new account revisions, one per subject. Each makes an assessment, whatever its outcome."""
        model, now = self._models.get(), self._clock.now()
        subjects = store.subjects_for_update(transaction, {subject_id: _stored(account) for subject_id, account in accounts.items()})
        made = tuple(self._assess(subjects[subject_id], accounts[subject_id], model, now) for subject_id in sorted(accounts))
        return self._save(transaction, Result(made=made, unchanged=0), cause="account")

    def assess_again(self, transaction: Transaction, subject_ids: Iterable[UUID], *, cause: str) -> Result:
        """Assess the stored accounts of subjects again. Same pins but for the day, and the same outcome: no new assessment."""
        model, now = self._models.get(), self._clock.now()
        made: list[Made] = []
        postponed: dict[UUID, date | None] = {}
        for subject_id, subject in sorted(store.locked_subjects(transaction, subject_ids).items()):
            account = wire.stored_account(
                condensed=subject.account.condensed, statement_sha256=subject.account.statement_sha256, event_id=subject.account.event_id
            )
            one = self._assess(subject, account, model, now)
            if subject.newest is not None and _says_the_same(one.stored.newest, subject.newest):
                postponed[subject_id] = one.stored.newest.next_change_on
            else:
                made.append(one)
        store.postpone(transaction, postponed)
        return self._save(transaction, Result(made=tuple(made), unchanged=len(postponed)), cause=cause)

    def _assess(self, subject: SubjectState, account: Account, model: Model, now: datetime) -> Made:
        # 1. Observe and decide.
        assessed_on = now.astimezone(CIVIL_ZONE).date()
        decided = self._decide(account.statement, model, held=_held(subject.newest), assessed_on=assessed_on)
        # 2. Pin.
        assessment = Assessment(
            number=1 if subject.newest is None else subject.newest.number + 1,
            pins=Pins(
                subject_id=subject.subject_id,
                account_revision=account.statement.account_revision,
                statement_sha256=account.statement_sha256,
                model_sha256=model.sha256,
                model_version=model.version,
                weights_version=self._parameters.version,
                scale_version=self._scale.version,
                previous_assessment_id=None if subject.newest is None else subject.newest.assessment_id,
                assessed_on=assessed_on,
            ),
            outcome=decided.outcome,
        )
        # 3. Write.
        message = wire.assessment_message(assessment)
        newest = NewestAssessment(
            number=assessment.number,
            assessment_id=assessment.assessment_id,
            outcome_sha256=wire.outcome_sha256(message),
            model_sha256=model.sha256,
            weights_version=self._parameters.version,
            scale_version=self._scale.version,
            held_grade=decided.outcome.held_grade.value if isinstance(decided.outcome, Rated) else None,
            assessed_on=assessed_on,
            next_change_on=decided.next_change_on,
        )
        content = message.SerializeToString(deterministic=True)
        return Made(
            account=account,
            assessment=assessment,
            stored=_new_assessment(assessment, newest=newest, observed=decided.observed, content=content, now=now),
            event=wire.assessment_made(assessment, message=message, account=account, known_at=now, province=self._province),
        )

    def _decide(self, statement: Statement, model: Model, *, held: Grade | None, assessed_on: date) -> _Decided:
        compared = comparable(statement, references=self._parameters.references)
        if isinstance(compared, NotRated):
            changes_on = next_change_on(statement, newest=None, assessed_on=assessed_on)
            return _Decided(outcome=compared, observed=None, next_change_on=changes_on)
        observed = features(
            windows=compared.windows,
            plan=statement.plan,
            investments=statement.investments,
            route=compared.route,
            industry=compared.industry,
            parameters=self._parameters,
            assessed_on=assessed_on,
        )
        prediction = model.predict(model_row=observed.model_row, credited_row=observed.credited_row)
        return _Decided(
            outcome=rate(observed, prediction=prediction, parameters=self._parameters, scale=self._scale, held=held),
            observed=observed,
            next_change_on=next_change_on(statement, newest=compared.windows[-1], assessed_on=assessed_on),
        )

    def _save(self, transaction: Transaction, result: Result, *, cause: str) -> Result:
        store.save_assessments(transaction, [(_stored(one.account), one.stored) for one in result.made])
        outbox.add_all(transaction, [one.event for one in result.made])
        metrics.ASSESSMENTS_UNCHANGED.add(result.unchanged)
        for one in result.made:
            kind = "rated" if isinstance(one.assessment.outcome, Rated) else "not_rated"
            metrics.ASSESSMENTS_MADE.add(1, {"outcome": kind, "cause": cause})
        return result


def tell(made: Sequence[Made]) -> None:
    """Log what was made, one line each, with the subject's code masked. Call it when it is committed."""
    for one in made:
        outcome = one.assessment.outcome
        told = (
            {"grade": outcome.final_grade.value, "score": str(outcome.score), "stage": outcome.transition_stage.value}
            if isinstance(outcome, Rated)
            else {"not_rated": ",".join(reason.code.value for reason in outcome.reasons)}
        )
        _log.info(
            "assessment made",
            extra={
                "event": "assessment-made",
                "subject_code": masked(one.account.statement.subject_code),
                "assessment_id": one.assessment.assessment_id,
                "number": one.assessment.number,
                "account_revision": one.assessment.pins.account_revision,
                **told,
            },
        )


def _says_the_same(now: NewestAssessment, before: NewestAssessment) -> bool:
    def content(newest: NewestAssessment) -> tuple[str, ...]:
        return (newest.outcome_sha256, newest.model_sha256, newest.weights_version, newest.scale_version)

    return content(now) == content(before)


def _held(newest: NewestAssessment | None) -> Grade | None:
    return None if newest is None or newest.held_grade is None else Grade(newest.held_grade)


def _stored(account: Account) -> StoredAccount:
    return StoredAccount(
        subject_code=account.statement.subject_code,
        account_revision=account.statement.account_revision,
        event_id=account.event_id,
        condensed=account.condensed,
        statement_sha256=account.statement_sha256,
    )


def _new_assessment(
    assessment: Assessment, *, newest: NewestAssessment, observed: Features | None, content: bytes, now: datetime
) -> NewAssessment:
    outcome = assessment.outcome
    rated = outcome if isinstance(outcome, Rated) else None
    not_rated = ",".join(reason.code.value for reason in outcome.reasons) if isinstance(outcome, NotRated) else None
    return NewAssessment(
        subject_id=assessment.pins.subject_id,
        newest=newest,
        previous_assessment_id=assessment.pins.previous_assessment_id,
        account_revision=assessment.pins.account_revision,
        statement_sha256=assessment.pins.statement_sha256,
        score=rated.score if rated else None,
        final_grade=rated.final_grade.value if rated else None,
        transition_stage=rated.transition_stage.value if rated else None,
        not_rated_codes=not_rated,
        features=None if observed is None else _written(observed),
        content=content,
        made_at=now,
    )


def _written(observed: Features) -> dict[str, str | None]:
    """Write the features as they are kept: everything the score was computed from, in its fixed scales."""
    rows = {"model": observed.model_row, "credited": observed.credited_row}
    named = {f"{row}.{name}": value for row, values in rows.items() for name, value in zip(FEATURE_NAMES, values, strict=True)}
    figures = {f"figure.{code}": value for code, value in observed.figures.items()}
    kept = {**figures, **named, "headroom": observed.headroom}
    written = {name: None if value is None else str(value) for name, value in kept.items()}
    return written | {"stale_years": str(observed.stale_years), "contradicted": ",".join(sorted(observed.contradicted)) or None}
