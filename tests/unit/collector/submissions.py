"""Makes submissions for the collector's tests: sound ones by default, each test says only what it is about."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence, Set
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from carbonbureau.common.v1 import period_pb2
from carbonbureau.intake.v1 import basis_pb2, emissions_pb2, energy_pb2, production_pb2, registry_pb2, tax_pb2, transition_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector import wire
from services.collector.__main__ import book
from services.collector.domain import account, claims, effective, subject_code
from services.collector.domain.account import AccountView, FormerOwner
from services.collector.domain.claims import History
from services.collector.domain.emissions import Book
from services.collector.domain.finding import AccountFinding
from services.collector.domain.kinds import DOMAIN_OF_KIND
from services.collector.domain.rules import catalogue
from services.collector.domain.submission import BusinessKey, Submission

ZONE = "Asia/Shanghai"
PROVINCE = "shanxi"
# After every period that the tests use, before today.
RECEIVED_AT = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
METERED, INVOICED, DECLARED, VERIFIED = (
    basis_pb2.BASIS_METERED,
    basis_pb2.BASIS_INVOICED,
    basis_pb2.BASIS_DECLARED,
    basis_pb2.BASIS_VERIFIED,
)
_numbers = itertools.count(1)


def code_of(number: int, *, region: str = "140400") -> str:
    """Make a valid code: management digit 9, category 1, region, nine characters of the number."""
    body = f"91{region}{number:09d}"
    return body + subject_code.check_character(body)


CODE = code_of(1)


def subject_id_of(code: str) -> UUID:
    """Derive the id of the subject that is known by this code first."""
    return subject_code.subject_id(bureau=PROVINCE, first_code=code)


SUBJECT_ID = subject_id_of(CODE)


def month(year: int, number: int, *, zone: str = ZONE) -> period_pb2.Period:
    """Make the period of a calendar month; a number above 12 goes on into the next years."""
    year, number = year + (number - 1) // 12, (number - 1) % 12 + 1
    end = date(year + number // 12, number % 12 + 1, 1)
    return period_pb2.Period(start_date=f"{year}-{number:02d}-01", end_date=end.isoformat(), time_zone=zone)


def year(number: int, *, zone: str = ZONE) -> period_pb2.Period:
    return period_pb2.Period(start_date=f"{number}-01-01", end_date=f"{number + 1}-01-01", time_zone=zone)


def days(start: str, end: str, *, zone: str = ZONE) -> period_pb2.Period:
    return period_pb2.Period(start_date=start, end_date=end, time_zone=zone)


def message(*, record_number: str | None = None, record_revision: int = 1, code: str = CODE, **fields: Any) -> intake.Submission:
    """Make a submission; what is not given is sound."""
    number = record_number if record_number is not None else f"R-{next(_numbers)}"
    return intake.Submission(subject_code=code, record_number=number, record_revision=record_revision, **fields)


def electricity(mwh: str, *, period: period_pb2.Period | None = None, basis: int = METERED, **fields: Any) -> intake.Submission:
    use = energy_pb2.ElectricityUse(purchased_mwh=mwh, basis=basis)
    return message(period=period or month(2024, 1), electricity_use=use, **fields)


def fuel(
    tonnes: str,
    *,
    fuel_code: str = "coal",
    period: period_pb2.Period | None = None,
    basis: int = METERED,
    ncv: str = "",
    carbon: str = "",
    volume: str | None = None,
    **fields: Any,
) -> intake.Submission:
    quantity = {"mass_t": tonnes} if volume is None else {"volume_ten_thousand_nm3": volume}
    use = energy_pb2.FuelUse(fuel_code=fuel_code, ncv_gj_per_unit=ncv, carbon_content_tc_per_gj=carbon, basis=basis, **quantity)
    return message(period=period or month(2024, 1), fuel_use=use, **fields)


def output(
    amount: str,
    *,
    product: str = "electricity",
    route: str = "coal",
    period: period_pb2.Period | None = None,
    basis: int = METERED,
    **fields: Any,
) -> intake.Submission:
    quantity = {"electricity_mwh": amount} if product == "electricity" else {"mass_t": amount}
    made = production_pb2.Output(product_code=product, process_route=route, basis=basis, **quantity)
    return message(period=period or month(2024, 1), output=made, **fields)


def reported(
    scope1: str, scope2: str = "", *, carrier: str = "", period: period_pb2.Period | None = None, basis: int = DECLARED, **fields: Any
) -> intake.Submission:
    emissions = emissions_pb2.ReportedEmissions(
        scope1_tco2e=scope1, scope2_tco2e=scope2, energy_carrier=carrier, standard="MEE", basis=basis
    )
    return message(period=period or month(2024, 1), reported_emissions=emissions, **fields)


def owned(number: str, since: str = "2010-01-01", until: str = "") -> registry_pb2.FacilityOwnership:
    return registry_pb2.FacilityOwnership(facility_number=number, owned_from_date=since, owned_until_date=until)


def entry(
    *facilities: registry_pb2.FacilityOwnership,
    industry: str = "4411",
    name: str = "长治某电厂",
    effective_date: str = "2020-01-01",
    city: str = "140400",
    **fields: Any,
) -> intake.Submission:
    registry = registry_pb2.RegistryEntry(
        effective_date=effective_date,
        name=name,
        industry_code=industry,
        city_code=city,
        size=registry_pb2.ENTERPRISE_SIZE_LARGE,
        facilities=facilities,
    )
    return message(registry_entry=registry, **fields)


def plan(*, adopted: str = "2023-05-01", **fields: Any) -> intake.Submission:
    transition_plan = transition_pb2.TransitionPlan(
        adopted_date=adopted,
        base_year=2022,
        yearly_targets=[transition_pb2.YearlyTarget(year=2024, intensity_reduction_percent="4.5")],
        milestones=[
            transition_pb2.Milestone(milestone_number="M1", description="turbine", due_date="2025-01-01", completed_date="2024-12-01")
        ],
    )
    return message(transition_plan=transition_plan, **fields)


def investment(
    amount: str, total: str, *, technology: str = "turbine_retrofit", period: period_pb2.Period | None = None, **fields: Any
) -> intake.Submission:
    spent = transition_pb2.TransitionInvestment(technology_code=technology, amount_yuan=amount, total_capital_expenditure_yuan=total)
    return message(period=period or year(2024), transition_investment=spent, **fields)


def tax_return(
    paid: str, *, revenue: str = "1000000", added: str = "", period: period_pb2.Period | None = None, **fields: Any
) -> intake.Submission:
    filed = tax_pb2.TaxReturn(revenue_yuan=revenue, value_added_yuan=added, tax_paid_yuan=paid)
    return message(period=period or month(2024, 1), tax_return=filed, **fields)


@cache
def the_book() -> Book:
    """Give the methods and technologies as they are shipped."""
    return book()


def accepted(sent: intake.Submission, *, provider: str) -> Submission:
    """Read a message as intake would have kept it."""
    value = sent.SerializeToString(deterministic=True)
    received = wire.submission(value, is_json=False)
    assert received.kind is not None
    assert received.content is not None
    assert not received.defects
    key = BusinessKey(
        provider_code=provider,
        kind=received.kind,
        record_number=received.record_number,
        record_revision=received.record_revision,
        subject_id=subject_id_of(received.subject_code),
    )
    return Submission(
        submission_id=key.submission_id(),
        provider_code=provider,
        kind=received.kind,
        record_number=received.record_number,
        record_revision=received.record_revision,
        facility_number=received.facility_number,
        period=received.period,
        content=received.content,
        sha256=sha256(value).digest(),
    )


def topic_of(sent: intake.Submission, provider: str) -> str:
    """Name the topic that a message belongs on."""
    kind = wire.submission(sent.SerializeToString(), is_json=False).kind
    assert kind is not None
    return f"intake.{DOMAIN_OF_KIND[kind].value}.v1.{provider}"


Sent = tuple[str, intake.Submission]


def view_of(
    sent: Iterable[Sent],
    *,
    subject_id: UUID = SUBJECT_ID,
    code: str = CODE,
    others: Sequence[History] = (),
    former_owners: Sequence[FormerOwner] = (),
    held_elsewhere: Set[UUID] = frozenset(),
    by: Book | None = None,
) -> AccountView:
    """Draw up the account that follows from what providers sent, `(provider, message)` each."""
    submissions = [accepted(one, provider=provider) for provider, one in sent]
    revisions = effective.split(((one.provider_code, one.kind, one.record_number), one.record_revision, one) for one in submissions)
    own = claims.history(subject_id, subject_code.province(code), revisions.effective)
    return account.draw_up(
        subject_id=subject_id,
        code=code,
        bureau=PROVINCE,
        effective=revisions.effective,
        parked=revisions.parked,
        held_elsewhere=held_elsewhere,
        others=others,
        former_owners=former_owners,
        subject_of_code={code: subject_id_of(code) for one in (*others, own) for code in claims.codes_named(one.changes)},
        book=by or the_book(),
    )


def findings_of(view: AccountView) -> list[AccountFinding]:
    return catalogue.account_findings(view, view.subject_id)


def rule_ids(view: AccountView) -> set[str]:
    return {finding.rule_id for finding in findings_of(view)}
