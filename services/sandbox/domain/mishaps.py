"""Adds what goes wrong between a provider and the bureau: errors and their corrections, a correction that overtakes its
original, repeats, and records that a form check must refuse. Pure.

The figures that are right in the end are those of reporting.py and falsification.py: a corrected record is first sent wrong.
One refused record is planted for every second subject, varieties in turn, so that a dozen subjects show all of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from services.sandbox.domain.chance import Generator, happens
from services.sandbox.domain.months import month_starting
from services.sandbox.domain.reporting import STATS, Draft, chosen, scaled
from services.sandbox.domain.statements import Basis, Expected, Kind, ReportedEmissions, Submission, Unreadable
from services.sandbox.domain.subject_codes import subject_code, with_bad_check_character
from services.sandbox.domain.truth import SubjectTruth

CORRECTION_PROBABILITY = 0.015
OVERTAKING_SHARE = 0.2
DUPLICATE_PROBABILITY = 0.008

# How the first, wrong figure differs: typing errors, a slipped unit.
_ERRORS = (Decimal("1.12"), Decimal("0.91"), Decimal("1.04"), Decimal("10"))

BAD_CHECK_CHARACTER = "bad_check_character"
NEGATIVE_AMOUNT = "negative_amount"
FUTURE_PERIOD = "future_period"
KEY_IS_ANOTHER_SUBJECT = "key_is_another_subject"
KIND_NOT_OF_TOPIC = "kind_not_of_topic"
SAME_KEY_OTHER_BYTES = "same_key_other_bytes"
REFUSED_VARIETIES = (
    BAD_CHECK_CHARACTER,
    NEGATIVE_AMOUNT,
    FUTURE_PERIOD,
    KEY_IS_ANOTHER_SUBJECT,
    KIND_NOT_OF_TOPIC,
    SAME_KEY_OTHER_BYTES,
)

_PLANTED_MONTHS = 6


def with_mishaps(generator: Generator, truth: SubjectTruth, drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts with corrections, repeats, refused and unreadable records among them."""
    index = truth.subject.index
    planted_correction = chosen(generator, drafts, last_months=_PLANTED_MONTHS) if index % 3 == 1 else -1
    result: list[Draft] = []
    for place, draft in enumerate(drafts):
        corrected = happens(generator, probability=CORRECTION_PROBABILITY)
        overtaking = happens(generator, probability=OVERTAKING_SHARE) or place == planted_correction
        error = generator.choice(_ERRORS)
        days = generator.randrange(20, 90)
        if draft.month is not None and (corrected or place == planted_correction):
            result += _corrected(draft, error=error, days=days, overtaking=overtaking)
        else:
            result.append(draft)
        if happens(generator, probability=DUPLICATE_PROBABILITY):
            result.append(_repeated(result[-1], days=generator.randrange(0, 6)))
    example = drafts[chosen(generator, drafts, last_months=_PLANTED_MONTHS)]
    if index % 2 == 0:
        result.append(_refused(example, truth, variety=REFUSED_VARIETIES[(index // 2) % len(REFUSED_VARIETIES)]))
    if index % 10 == 3:
        result.append(_unreadable(generator, example))
    return result


def _corrected(draft: Draft, *, error: Decimal, days: int, overtaking: bool) -> list[Draft]:
    right = draft.submission
    wrong = replace(draft, message=replace(right, content=scaled(right.content, error)), note="wrong_at_first")
    corrected_time = right.compiled_time + timedelta(days=days)
    correction = replace(
        draft,
        message=replace(right, record_revision=2, compiled_time=corrected_time),
        sent_time=corrected_time,
        note="correction",
    )
    if not overtaking:
        return [wrong, correction]
    # The original was held up somewhere and arrives after its correction.
    held_up = replace(wrong, sent_time=corrected_time + timedelta(hours=3), note="overtaken_original")
    return [replace(correction, expected=Expected.PARKED_THEN_EFFECTIVE, note="overtaking_correction"), held_up]


def _repeated(draft: Draft, *, days: int) -> Draft:
    return replace(draft, sent_time=draft.sent_time + timedelta(days=days), expected=Expected.DUPLICATE, note="repeat")


def _refused(example: Draft, truth: SubjectTruth, *, variety: str) -> Draft:
    """Make a record that is wrong in one way only; it has a number of its own unless the number is what is wrong."""
    right = example.submission
    number = f"{right.record_number}-X"
    own = replace(right, record_number=number)
    refused = replace(example, expected=Expected.REJECTED, note=variety, falsification="", sent_time=example.sent_time + timedelta(hours=1))
    match variety:
        case "bad_check_character":
            code = with_bad_check_character(right.subject_code)
            return replace(refused, message=replace(own, subject_code=code), key=code)
        case "negative_amount":
            return replace(refused, message=replace(own, content=scaled(right.content, Decimal(-1))))
        case "future_period":
            return replace(refused, message=replace(own, period=month_starting(date(2031, 5, 1))))
        case "key_is_another_subject":
            other = subject_code(name=f"{truth.subject.name} neighbour", region_code=truth.subject.city_code)
            return replace(refused, message=own, key=other)
        case "kind_not_of_topic":
            return _kind_not_of_topic(refused, own)
        case "same_key_other_bytes":
            other_bytes = replace(right, content=scaled(right.content, Decimal("1.07")))
            # After any repeat or correction of the original, so that the original is what came first.
            return replace(refused, message=other_bytes, sent_time=example.sent_time + timedelta(days=150))
        case _:
            raise AssertionError(variety)


def _kind_not_of_topic(refused: Draft, own: Submission) -> Draft:
    """The statistics office sends emissions on its production topic, the only one it may write."""
    content = ReportedEmissions(
        scope1_tco2e=Decimal("1.0"), scope2_tco2e=Decimal("1.0"), energy_carrier="", standard="", basis=Basis.DECLARED
    )
    return replace(refused, provider_code=STATS, kind=Kind.OUTPUT, message=replace(own, content=content))


def _unreadable(generator: Generator, example: Draft) -> Draft:
    # 0xFF opens a field of wire type 7, which protobuf has not.
    value = bytes([0xFF, *(generator.randrange(0, 256) for _ in range(40))])
    return replace(
        example,
        message=Unreadable(value),
        expected=Expected.QUARANTINED,
        note="unreadable",
        falsification="",
        sent_time=example.sent_time + timedelta(hours=2),
    )
