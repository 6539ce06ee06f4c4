"""Every form rule has a planted case that it finds, and a sound record that it lets pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from carbonbureau.common.v1 import period_pb2
from carbonbureau.intake.v1 import energy_pb2, production_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import timestamp_pb2

from services.collector import wire
from services.collector.domain.basis import Basis
from services.collector.domain.finding import RecordFinding
from services.collector.domain.kinds import Domain, Kind
from services.collector.domain.provider import Provider, SignatureDuty, domain_and_code
from services.collector.domain.rules import catalogue
from services.collector.domain.rules.context import FormContext
from services.collector.domain.signature import ABSENT, Signature, SignatureState
from tests.unit.collector.every_kind import example, withdrawal
from tests.unit.collector.submissions import (
    CODE,
    RECEIVED_AT,
    VERIFIED,
    code_of,
    days,
    electricity,
    entry,
    fuel,
    investment,
    message,
    month,
    output,
    owned,
    plan,
    reported,
    topic_of,
)

ENTITLED = Provider(code="ent-sx", name="企业", kinds=frozenset(Kind), region_prefixes=("14",), bases=frozenset(Basis))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A record that breaks a rule, and how it arrives; what is not given is sound."""

    sent: intake.Submission
    key: str | None = ""
    domain: Domain | None = None
    provider: Provider = ENTITLED
    received_at: datetime = RECEIVED_AT
    signature: Signature = ABSENT


def findings(case: Case) -> list[RecordFinding]:
    received = wire.submission(case.sent.SerializeToString(), is_json=False)
    domain = case.domain or (domain_and_code(topic_of(case.sent, "ent-sx"))[0] if received.kind else Domain.ENERGY)
    key = received.subject_code if case.key == "" else case.key
    context = FormContext(
        provider=case.provider, topic_domain=domain, record_key=key, received_at=case.received_at, signature=case.signature
    )
    return catalogue.form_findings(received, context)


def ids(case: Case) -> set[str]:
    return {finding.rule_id for finding in findings(case)}


def _bad_check() -> str:
    return CODE[:-1] + ("0" if CODE[-1] != "0" else "1")


def _with(sent: intake.Submission, change: Callable[[intake.Submission], object]) -> intake.Submission:
    change(sent)
    return sent


def _bad_association(code: str) -> Callable[[intake.Submission], object]:
    return lambda sent: setattr(sent.sector_opinion, "association_code", code)


def _entry_with(count: int) -> intake.Submission:
    return entry(*(owned(f"F-{number}") for number in range(count)))


# One line per planted case: the rule that must find it, alone.
CASES: list[tuple[str, str, Case]] = [
    ("FORM_CODE_MALFORMED", "too short", Case(sent=electricity("1", code="9114040000000000"))),
    ("FORM_CODE_MALFORMED", "letter O", Case(sent=electricity("1", code="91140400000000O" + "001"))),
    ("FORM_CODE_MALFORMED", "missing", Case(sent=electricity("1", code=""))),
    ("FORM_CODE_MALFORMED", "unprintable", Case(sent=electricity("1", code="91140400\x0000000001"))),
    ("FORM_CODE_CHECK_CHARACTER", "wrong check character", Case(sent=electricity("1", code=_bad_check()))),
    ("FORM_KEY_NOT_SUBJECT", "key of another", Case(sent=electricity("1"), key=code_of(2))),
    ("FORM_KEY_NOT_SUBJECT", "no key", Case(sent=electricity("1"), key=None)),
    ("FORM_TOPIC_DOMAIN", "emissions on the energy topic", Case(sent=reported("1", "1"), domain=Domain.ENERGY)),
    (
        "FORM_KIND_NOT_ENTITLED",
        "meter readings of a statistics office",
        Case(
            sent=electricity("1"),
            provider=Provider(
                code="stats-sx", name="统计", kinds=frozenset({Kind.OUTPUT}), region_prefixes=("14",), bases=frozenset(Basis)
            ),
        ),
    ),
    ("FORM_REGION_NOT_ENTITLED", "subject of another province", Case(sent=electricity("1", code=code_of(1, region="440300")))),
    (
        "FORM_REGION_NOT_ENTITLED",
        "subject of another city",
        Case(
            sent=electricity("1"),
            provider=Provider(code="ent-sx", name="", kinds=frozenset(Kind), region_prefixes=("1402", "1403"), bases=frozenset(Basis)),
        ),
    ),
    (
        "FORM_BASIS_NOT_ENTITLED",
        "a portal that calls declarations verified",
        Case(
            sent=reported("1", "1", basis=VERIFIED),
            provider=Provider(
                code="ent-sx", name="", kinds=frozenset(Kind), region_prefixes=("14",), bases=frozenset(Basis) - {Basis.VERIFIED}
            ),
        ),
    ),
    ("FORM_SIGNATURE_MISSING", "asked for", Case(sent=electricity("1"), provider=replace(ENTITLED, signature=SignatureDuty.REQUIRED))),
    *(
        (rule_id, "found by the check", Case(sent=electricity("1"), signature=Signature(state=state, detail="why")))
        for rule_id, state in {
            "FORM_SIGNATURE_MALFORMED": SignatureState.MALFORMED,
            "FORM_SIGNATURE_KEY_UNKNOWN": SignatureState.KEY_UNKNOWN,
            "FORM_SIGNATURE_TIME": SignatureState.NOT_IN_TIME,
            "FORM_SIGNATURE_WRONG": SignatureState.WRONG,
        }.items()
    ),
    ("FORM_NO_CONTENT", "empty", Case(sent=message(period=month(2024, 1)))),
    ("FORM_RECORD_NUMBER", "missing", Case(sent=electricity("1", record_number=""))),
    ("FORM_RECORD_NUMBER", "spaces", Case(sent=electricity("1", record_number="   "))),
    ("FORM_RECORD_NUMBER", "too long", Case(sent=electricity("1", record_number="9" * 65))),
    ("FORM_RECORD_NUMBER", "line break", Case(sent=electricity("1", record_number="1\n2"))),
    ("FORM_RECORD_NUMBER", "zero byte", Case(sent=electricity("1", record_number="1\x002"))),
    ("FORM_RECORD_REVISION", "not set", Case(sent=electricity("1", record_revision=0))),
    ("FORM_RECORD_REVISION", "negative", Case(sent=electricity("1", record_revision=-1))),
    ("FORM_RECORD_REVISION", "absurd", Case(sent=electricity("1", record_revision=2**31 - 1))),
    ("FORM_FACILITY_NUMBER", "unprintable", Case(sent=electricity("1", facility_number="F\x07"))),
    ("FORM_FACILITY_NUMBER", "padded", Case(sent=electricity("1", facility_number=" F1"))),
    ("FORM_FACILITY_NUMBER", "entry with a nameless facility", Case(sent=entry(owned("")))),
    ("FORM_TEXT", "control character", Case(sent=fuel("1", fuel_code="coal\x1b[31m"))),
    ("FORM_TEXT", "endless code", Case(sent=fuel("1", fuel_code="c" * 65))),
    ("FORM_TEXT", "endless name", Case(sent=entry(name="厂" * 1001))),
    ("FORM_LIST_TOO_LONG", "501 facilities", Case(sent=_entry_with(501))),
    (
        "FORM_COMPILED_TIME",
        "year 300,000",
        Case(sent=_with(electricity("1"), lambda sent: sent.compiled_time.CopyFrom(timestamp_pb2.Timestamp(seconds=10**13)))),
    ),
    ("FORM_AMOUNT_MALFORMED", "1e308", Case(sent=electricity("1e308"))),
    ("FORM_FIELD_MISSING", "amount", Case(sent=electricity(""))),
    ("FORM_AMOUNT_MALFORMED", "separators", Case(sent=electricity("1,000.5"))),
    ("FORM_AMOUNT_MALFORMED", "NaN", Case(sent=fuel("NaN"))),
    ("FORM_AMOUNT_MALFORMED", "minus zero", Case(sent=reported("-0", "1"))),
    ("FORM_AMOUNT_MALFORMED", "sixteen digits", Case(sent=fuel("1234567890123456"))),
    ("FORM_AMOUNT_NEGATIVE", "negative fuel", Case(sent=fuel("-12.5"))),
    ("FORM_AMOUNT_NEGATIVE", "negative measured value", Case(sent=fuel("12.5", ncv="-26.7"))),
    ("FORM_AMOUNT_TOO_LARGE", "just above", Case(sent=output("1000000000000.000000001"))),
    ("FORM_QUANTITY_MISSING", "fuel", Case(sent=message(period=month(2024, 1), fuel_use=energy_pb2.FuelUse(fuel_code="coal")))),
    ("FORM_QUANTITY_MISSING", "output", Case(sent=message(period=month(2024, 1), output=production_pb2.Output(product_code="coke")))),
    ("FORM_QUANTITY_MISSING", "emissions", Case(sent=reported("", ""))),
    ("FORM_FIELD_MISSING", "fuel", Case(sent=fuel("1", fuel_code=""))),
    ("FORM_FIELD_MISSING", "product", Case(sent=output("1", product=""))),
    ("FORM_FIELD_MISSING", "technology", Case(sent=investment("1", "2", technology=""))),
    ("FORM_FIELD_MISSING", "industry", Case(sent=entry(industry=""))),
    (
        "FORM_UNIT_OF_PRODUCT",
        "tonnes of electricity",
        Case(sent=message(period=month(2024, 1), output=production_pb2.Output(product_code="electricity", mass_t="5"))),
    ),
    ("FORM_ENUMERATION", "basis 99", Case(sent=electricity("1", basis=99))),
    ("FORM_ENUMERATION", "size 9", Case(sent=_with(entry(), lambda sent: setattr(sent.registry_entry, "size", 9)))),
    ("FORM_PERIOD_MISSING", "not set", Case(sent=message(electricity_use=energy_pb2.ElectricityUse(purchased_mwh="1")))),
    ("FORM_PERIOD_NOT_HALF_OPEN", "ends on its start", Case(sent=electricity("1", period=days("2024-01-01", "2024-01-01")))),
    ("FORM_PERIOD_NOT_HALF_OPEN", "ends before its start", Case(sent=electricity("1", period=days("2024-02-01", "2024-01-01")))),
    ("FORM_PERIOD_TOO_LONG", "a year and a day", Case(sent=electricity("1", period=days("2023-01-01", "2024-01-02")))),
    ("FORM_PERIOD_TOO_LONG", "from a leap day", Case(sent=electricity("1", period=days("2024-02-29", "2025-03-01")))),
    ("FORM_PERIOD_TOO_EARLY", "1989", Case(sent=electricity("1", period=days("1989-12-01", "1990-01-01")))),
    (
        "FORM_PERIOD_IN_THE_FUTURE",
        "the month that runs",
        Case(sent=electricity("1", period=month(2026, 5)), received_at=datetime(2026, 5, 20, tzinfo=UTC)),
    ),
    (
        "FORM_PERIOD_IN_THE_FUTURE",
        "as late as a date can be",
        Case(sent=electricity("1", period=days("9999-06-01", "9999-12-30"))),
    ),
    ("FORM_ZONE_UNKNOWN", "abbreviation", Case(sent=electricity("1", period=month(2024, 1, zone="CST6")))),
    ("FORM_ZONE_UNKNOWN", "missing", Case(sent=electricity("1", period=month(2024, 1, zone="")))),
    ("FORM_ZONE_UNKNOWN", "path", Case(sent=electricity("1", period=month(2024, 1, zone="../../etc/passwd")))),
    ("FORM_ZONE_UNKNOWN", "endless", Case(sent=electricity("1", period=month(2024, 1, zone="Z" * 100_000)))),
    ("FORM_DATE_MALFORMED", "basic format", Case(sent=electricity("1", period=days("20240101", "2024-02-01")))),
    ("FORM_DATE_MALFORMED", "30 February", Case(sent=entry(effective_date="2024-02-30"))),
    ("FORM_FIELD_MISSING", "date", Case(sent=plan(adopted=""))),
    ("FORM_DATES_OUT_OF_ORDER", "ownership", Case(sent=entry(owned("F1", "2020-01-01", "2019-01-01")))),
    (
        "FORM_DATES_OUT_OF_ORDER",
        "permit",
        Case(sent=_with(example(Kind.PERMIT), lambda sent: setattr(sent.permit, "valid_until_date", "2023-01-01"))),
    ),
    (
        "FORM_DATES_OUT_OF_ORDER",
        "removed from a list before it was listed",
        Case(sent=_with(example(Kind.COURT_LISTING), lambda sent: setattr(sent.court_listing, "removed_date", "2023-01-01"))),
    ),
    ("FORM_OUT_OF_RANGE", "base year", Case(sent=_with(plan(), lambda sent: setattr(sent.transition_plan, "base_year", 0)))),
    (
        "FORM_DAY_IN_THE_FUTURE",
        "a penalty decided next year",
        Case(sent=_with(example(Kind.PENALTY), lambda sent: setattr(sent.penalty, "decided_date", "2027-01-01"))),
    ),
    (
        "FORM_DAY_IN_THE_FUTURE",
        "a milestone completed next year",
        Case(sent=_with(plan(), lambda sent: setattr(sent.transition_plan.milestones[0], "completed_date", "2027-01-01"))),
    ),
    (
        "FORM_CERTIFICATE_MONTH",
        "no month",
        Case(
            sent=_with(
                example(Kind.GREEN_POWER_CERTIFICATE),
                lambda sent: setattr(sent.green_power_certificate, "generation_year_month", "2024-13"),
            )
        ),
    ),
    (
        "FORM_COMPILED_TIME",
        "a time ahead",
        Case(sent=_with(electricity("1"), lambda sent: sent.compiled_time.FromDatetime(RECEIVED_AT + timedelta(days=2)))),
    ),
    ("FORM_WITHDRAWAL_KIND", "as in JSON", Case(sent=withdrawal("fuelUse"))),
    ("FORM_WITHDRAWAL_OF_NOTHING", "revision 1", Case(sent=withdrawal("FUEL_USE", record_revision=1))),
    ("FORM_CODE_MALFORMED", "code of an association", Case(sent=_with(example(Kind.SECTOR_OPINION), _bad_association(CODE[:-1])))),
    ("FORM_CODE_CHECK_CHARACTER", "code of an association", Case(sent=_with(example(Kind.SECTOR_OPINION), _bad_association(_bad_check())))),
]
SOUND = [
    *(example(kind) for kind in Kind),
    *(example(kind, whole=False) for kind in Kind),
    withdrawal("FUEL_USE"),
    electricity("0"),
    electricity("999999999999.999999999", basis=0),
    fuel("10", ncv="25.1", carbon="0.0268"),
    fuel("", volume="12.5", fuel_code="natural_gas"),
    output("5"),
    output("7", product="coke", route=""),
    reported("5", ""),
    reported("", "5"),
    entry(owned("F1", "2010-01-01", "2020-01-01"), owned("F1", "2021-01-01")),
    plan(),
    investment("1.25", "2.50"),
    electricity("1", period=days("2023-11-20", "2023-12-20")),
    electricity("1", period=days("2023-07-01", "2024-07-01", zone="Australia/Sydney")),
]


class TestFormRules:
    @pytest.mark.parametrize(("rule_id", "what", "case"), CASES, ids=[f"{rule_id}: {what}" for rule_id, what, _ in CASES])
    def test_find_their_planted_case_alone(self, rule_id: str, what: str, case: Case) -> None:
        assert ids(case) == {rule_id}

    @pytest.mark.parametrize("sent", SOUND, ids=lambda sent: str(sent.WhichOneof("content")))
    def test_let_sound_records_pass(self, sent: intake.Submission) -> None:
        assert ids(Case(sent=sent)) == set()

    def test_each_have_a_planted_case(self) -> None:
        assert {rule_id for rule_id, _, _ in CASES} == {rule.rule_id for rule in catalogue.FORM_RULES}

    def test_report_everything_that_is_wrong_at_once(self) -> None:
        sent = electricity("-1", code=_bad_check(), record_number="", period=month(2030, 1))
        expected = {"FORM_AMOUNT_NEGATIVE", "FORM_CODE_CHECK_CHARACTER", "FORM_RECORD_NUMBER", "FORM_PERIOD_IN_THE_FUTURE"}
        assert ids(Case(sent=sent)) == expected

    @pytest.mark.parametrize(("rule_id", "what", "case"), CASES, ids=[f"{rule_id}: {what}" for rule_id, what, _ in CASES])
    def test_say_what_is_wrong_in_printable_words(self, rule_id: str, what: str, case: Case) -> None:
        for finding in findings(case):
            assert finding.message.isprintable()
            assert len(finding.message) < 500


class TestThePeriodInTheFuture:
    def test_is_judged_by_the_date_where_the_period_is_meant(self) -> None:
        # 17:00 UTC on the 30th is the 1st in Shanghai, and still the 30th in Lisbon.
        evening = datetime(2026, 4, 30, 17, 0, tzinfo=UTC)
        ends_on_the_second = days("2026-04-01", "2026-05-02")
        assert ids(Case(sent=electricity("1", period=ends_on_the_second), received_at=evening)) == set()
        elsewhere = period_pb2.Period(start_date="2026-04-01", end_date="2026-05-02", time_zone="Europe/Lisbon")
        assert ids(Case(sent=electricity("1", period=elsewhere), received_at=evening)) == {"FORM_PERIOD_IN_THE_FUTURE"}


# What is held of the record, and the rule that must find something when the bytes b"b" come; None where there is nothing to find.
HELD: list[tuple[str | None, str, bytes]] = [
    ("FORM_KEY_CONFLICT", "other bytes under the same key", b"a"),
    (None, "the same bytes again", b"b"),
]


class TestHeldRules:
    @pytest.mark.parametrize(("rule_id", "what", "held"), HELD, ids=[what for _, what, _ in HELD])
    def test_find_their_planted_case_alone(self, rule_id: str | None, what: str, held: bytes) -> None:
        found = {finding.rule_id for finding in catalogue.held_findings(arrived_sha256=b"b", held_sha256=held)}
        assert found == ({rule_id} if rule_id is not None else set())

    def test_each_have_a_planted_case(self) -> None:
        assert {rule_id for rule_id, _, _ in HELD if rule_id is not None} == {rule.rule_id for rule in catalogue.HELD_RULES}
