"""Draws the accounts of the sandbox's subjects in memory, with records of the new kinds beside those that the province publishes.

What is added (`more_of`) follows from the same truth with noise of its own: purchases and stocks of coal, hours, capacity, stack
monitors, invoices, returns, ratios, inventories, verification, permits, classes, allowances, loans, plans with measures and evidence. It
is not published: the province stays as light as it was, and false-alarm rates are measured here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import ceil
from typing import Any

from carbonbureau.common.v1 import period_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from google.protobuf import json_format

from services.collector.domain import account, claims, effective, subject_code
from services.collector.domain.account import AccountView
from services.sandbox import wire
from services.sandbox.domain.chance import Generator
from services.sandbox.domain.months import MONTHS
from services.sandbox.domain.planning import Order, SubjectPlan, in_order, province_plans
from services.sandbox.domain.sectors import Sector, Unit
from services.sandbox.domain.statements import Expected, Submission
from services.sandbox.domain.transition import Honesty
from services.sandbox.domain.truth import MonthOfActivity
from services.sandbox.province import generator_of
from tests.unit.collector.submissions import PROVINCE, Sent, accepted, month, subject_id_of, the_book, year

YEARS = (2023, 2024, 2025)
VERIFIER = "91140100" + "MA0000009"
VERIFIER += subject_code.check_character(VERIFIER)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A subject's account and whether its truth is honest in figures and in what it says of its transition."""

    view: AccountView
    honest: bool
    months: int = MONTHS


def judged(*, seed: int, subjects: int) -> Iterator[Judged]:
    """Draw a province and give each subject's account."""
    for plan in province_plans(generator_of, seed=seed, subjects=subjects):
        honest = plan.falsification is None and plan.truth.transition.honesty is Honesty.HONEST
        yield Judged(view=_view(plan), honest=honest)


def _view(plan: SubjectPlan) -> AccountView:
    sent: list[Sent] = []
    for planned in in_order([plan], order=Order.BY_SUBJECT):
        if planned.expected in (Expected.ACCEPTED, Expected.PARKED_THEN_EFFECTIVE) and isinstance(planned.message, Submission):
            sent.append((planned.provider_code, intake.Submission.FromString(wire.message_bytes(planned))))
    sent += _More(plan, generator_of(f"more/{plan.truth.subject.key}")).records()
    code = plan.truth.subject.code
    submissions = [accepted(one, provider=provider) for provider, one in sent]
    revisions = effective.split(((one.provider_code, one.kind, one.record_number), one.record_revision, one) for one in submissions)
    subject_id = subject_id_of(code)
    own = claims.history(subject_id, subject_code.province(code), revisions.effective)
    return account.draw_up(
        subject_id=subject_id,
        code=code,
        bureau=PROVINCE,
        effective=revisions.effective,
        parked=revisions.parked,
        held_elsewhere=frozenset(),
        others=[],
        former_owners=[],
        subject_of_code=dict.fromkeys(claims.codes_named(own.changes), subject_id),
        book=the_book(),
    )


class _More:
    """Records of the new kinds about one subject, each provider with a noise of its own. All ours, no source."""

    def __init__(self, plan: SubjectPlan, generator: Generator) -> None:
        self._truth = plan.truth
        self._route = plan.truth.subject.route
        self._draw = generator
        self._sent: list[Sent] = []

    def records(self) -> list[Sent]:
        of_facility: dict[str, list[MonthOfActivity]] = {}
        for activity in self._truth.activity:
            of_facility.setdefault(activity.facility.number, []).append(activity)
        for number, months in of_facility.items():
            self._facility(number, months)
        for of in YEARS:
            self._year(of, [one for one in self._truth.activity if one.month.start.year == of])
        self._standing()
        self._transition()
        return self._sent

    def _facility(self, number: str, months: list[MonthOfActivity]) -> None:
        stock = float(months[0].fuel_burnt.mass_t) * 0.6 if months[0].fuel_burnt is not None else 0.0
        share = months[0].facility.capacity_share
        capacity = self._truth.subject.capacity * share
        unit = "power_mw" if self._route.output_unit is Unit.MEGAWATT_HOUR else "mass_t_per_year"
        for of in YEARS:
            content = {"product_code": self._route.product_code, "process_route": self._route.process_route, unit: _amount(capacity)}
            self._say("stats-sx", "capacity", year(of), at=number, **content)
        for activity in months:
            period = month(activity.month.start.year, activity.month.start.month)
            self._electricity(activity, period, number, capacity)
            if activity.fuel_burnt is not None:
                stock = self._coal(activity, period, number, stock)
            hours = activity.month.days() * 24 * min(1.0, float(activity.output) / max(1.0, self._full(activity, capacity)) + 0.1)
            self._say("ent-sx", "operating_hours", period, at=number, unit_number="1", hours=_amount(hours), load_rate_percent="82")

    def _full(self, activity: MonthOfActivity, capacity: float) -> float:
        hours = activity.month.days() * 24
        return capacity * hours if self._route.output_unit is Unit.MEGAWATT_HOUR else capacity * hours / 8760

    def _electricity(self, activity: MonthOfActivity, period: period_pb2.Period, number: str, capacity: float) -> None:
        bought = self._noisy(activity.purchased_mwh, 0.015)
        price = 420 + 160 * self._draw.random()
        content = {"energy_code": "electricity", "electricity_mwh": _amount(bought), "amount_yuan": _amount(bought * price, 2)}
        self._say("tax-sx", "invoiced_energy", period, at=number, **content)
        if self._route.output_unit is Unit.MEGAWATT_HOUR:
            made = self._noisy(activity.output, 0.002)
            self._say("grid-sx", "electricity_sale", period, at=number, sold_mwh=_amount(made * 0.94))
            if self._route.sector is Sector.NEW_ENERGY:
                source = f"GENERATION_SOURCE_{self._route.process_route.upper()}"
                content = {
                    "source": source,
                    "generated_mwh": _amount(made),
                    "own_use_mwh": _amount(made * 0.02),
                    "capacity_mw": _amount(capacity),
                }
                self._say("grid-sx", "electricity_generation", period, at=number, **content)

    def _coal(self, activity: MonthOfActivity, period: period_pb2.Period, number: str, stock: float) -> float:
        assert activity.fuel_burnt is not None
        burnt, code = float(activity.fuel_burnt.mass_t), activity.fuel_burnt.fuel.fuel_code
        bought = max(0.0, burnt * (0.85 + 0.3 * self._draw.random()))
        closing = max(0.0, stock + bought - burnt)
        bought = burnt + closing - stock
        price = 480 + 240 * self._draw.random()
        bill = {"fuel_code": code, "mass_t": _amount(self._noisy(bought, 0.004)), "amount_yuan": _amount(bought * price, 2)}
        self._say("tax-sx", "fuel_purchase", period, at=number, **bill)
        seen = self._noisy(closing, 0.01)
        self._say(
            "ent-sx",
            "fuel_stock",
            period,
            at=number,
            fuel_code=code,
            opening_t=_amount(self._opening.get(number, stock)),
            closing_t=_amount(seen),
        )
        self._opening[number] = seen
        stack = {"stack_number": "1", "co2_t": _amount(self._noisy(activity.scope1_tco2e, 0.045)), "basis": "BASIS_METERED"}
        hours = activity.month.days() * 24
        self._say("eco-sx", "stack_monitor_summary", period, at=number, valid_hours=int(hours * 0.94), operating_hours=hours, **stack)
        return closing

    @property
    def _opening(self) -> dict[str, float]:
        return self.__dict__.setdefault("_seen", {})  # type: ignore[no-any-return]

    def _year(self, of: int, months: list[MonthOfActivity]) -> None:
        scope1, scope2 = (float(sum(getattr(one, name) for one in months)) for name in ("scope1_tco2e", "scope2_tco2e"))
        made = float(sum(one.output for one in months))
        revenue = made * (380 if self._route.output_unit is Unit.MEGAWATT_HOUR else 2_400) * (0.9 + 0.2 * self._draw.random())
        content = {
            "revenue_yuan": _amount(revenue, 2),
            "value_added_yuan": _amount(revenue * 0.24, 2),
            "tax_paid_yuan": _amount(revenue * 0.05, 2),
        }
        self._say("tax-sx", "tax_return", year(of), **content)
        ratios = {"debt_ratio_percent": 45 + 30 * self._draw.random(), "current_ratio_percent": 80 + 90 * self._draw.random()}
        ratios["return_on_assets_percent"] = self._draw.gauss(3.0, 4.0)
        self._say("tax-sx", "financial_ratios", year(of), **{name: _amount(value, 2) for name, value in ratios.items()})
        declared = self._noisy(scope1, 0.02)
        inventory = {
            "standard": "GB/T 32150",
            "scope1_tco2e": _amount(declared),
            "scope2_location_tco2e": _amount(self._noisy(scope2, 0.02)),
        }
        self._say("ent-sx", "emissions_inventory", year(of), **inventory)
        verified = self._noisy(scope1, 0.008)
        statement = {"statement_number": f"V-{of}", "verifier_code": VERIFIER, "opinion": "VERIFICATION_OPINION_UNQUALIFIED"}
        statement |= {"assurance_level": "ASSURANCE_LEVEL_REASONABLE", "scope1_tco2e": _amount(verified), "issued_date": f"{of + 1}-03-20"}
        self._say("ver-sx", "verifier_statement", year(of), **statement)
        if self._route.sector is Sector.COAL_POWER:
            self._market(of, verified, made)
        credit = self._draw.choice(["GREEN", "BLUE", "BLUE", "YELLOW"])
        self._say(
            "eco-sx", "environmental_credit_class", year(of), credit_class=f"ENVIRONMENTAL_CREDIT_{credit}", decided_date=f"{of + 1}-02-10"
        )

    def _market(self, of: int, verified: float, made: float) -> None:
        ets = {"ets_year": of, "verified_tco2": _amount(verified), "output_supplied_mwh": _amount(made * 0.94), "verifier_code": VERIFIER}
        self._say("ver-sx", "ets_verified_emissions", None, **ets)
        for number, (movement, share) in enumerate([("GRANTED", 0.97), ("BOUGHT", 0.04), ("SURRENDERED", 1.0)]):
            content = {
                "ets_year": of,
                # Allowances are whole tonnes: who surrenders rounds up.
                "quantity_t": str(ceil(verified * share)),
                "transaction_number": f"{self._truth.subject.key}-{of}-{number}",
            }
            if movement == "BOUGHT":
                content["amount_yuan"] = _amount(verified * share * (60 + 40 * self._draw.random()), 2)
            self._say(
                "mkt-sx",
                "allowance_transaction",
                None,
                movement=f"ALLOWANCE_MOVEMENT_{movement}",
                executed_date=f"{of + 1}-0{number + 4}-11",
                **content,
            )
        holding = {"as_of_date": f"{of}-12-31", "ets_year": of, "held_t": _amount(verified, 0), "pledged_t": _amount(verified * 0.3, 0)}
        self._say("mkt-sx", "allowance_holding", None, **holding)

    def _standing(self) -> None:
        permit = {
            "permit_number": "1",
            "permit_kind": "pollutant_discharge",
            "valid_from_date": "2019-05-01",
            "state": "PERMIT_STATE_GRANTED",
        }
        self._say("eco-sx", "permit", None, **permit, valid_until_date="2029-05-01")
        if self._draw.random() < 0.9:
            self._say("eco-sx", "quality_control_plan", None, plan_edition="1", filed_date="2022-11-01", measures_ncv=True)
        if self._draw.random() < 0.15:
            day = date(2023 + int(self._draw.random() * 3), 6, 14).isoformat()
            penalty = {
                "decision_number": "P-1",
                "decided_date": day,
                "ground": "PENALTY_GROUND_POLLUTION",
                "legal_basis": "…",
                "fine_yuan": "60000",
            }
            self._say("eco-sx", "penalty", None, **penalty)

    def _transition(self) -> None:
        plan = self._truth.transition.plan
        if plan is None:
            return
        for milestone in plan.milestones:
            if milestone.truly_completed is not None and self._draw.random() < 0.9:
                content = {
                    "milestone_number": milestone.number,
                    "completed_date": milestone.truly_completed.isoformat(),
                    "description": "…",
                }
                self._say("ent-sx", "milestone_evidence", None, **content)
        for investment in self._truth.transition.investments:
            amount = investment.truly_spent_yuan * Decimal("0.5")
            loan = {"loan_number": f"L-{investment.year}", "amount_yuan": _amount(float(amount), 0), "annual_rate_percent": "3.65"}
            self._say("bank-sx", "loan_drawing", None, loan_kind="LOAN_KIND_TRANSITION", drawn_date=f"{investment.year}-02-01", **loan)
            use = {"loan_number": f"L-{investment.year}", "amount_yuan": _amount(float(amount) * 0.95, 0), "purpose": "…"}
            self._say("bank-sx", "use_of_proceeds", year(investment.year), technology_code=investment.technology_code, **use)

    def _noisy(self, amount: float | Decimal, sd: float) -> float:
        return float(amount) * (1 + self._draw.gauss(0.0, sd))

    def _say(self, provider: str, kind: str, period: period_pb2.Period | None, *, at: str = "", **content: Any) -> None:
        code = self._truth.subject.code
        sent = intake.Submission(subject_code=code, record_number=f"M-{len(self._sent)}", record_revision=1, facility_number=at)
        if period is not None:
            sent.period.CopyFrom(period)
        body = getattr(sent, kind)
        body.SetInParent()
        json_format.ParseDict(content, body)
        self._sent.append((provider, sent))


def _amount(value: float, scale: int = 3) -> str:
    return f"{Decimal(repr(value)):.{scale}f}"
