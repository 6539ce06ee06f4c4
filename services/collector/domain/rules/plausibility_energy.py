"""The account rules about energy: what physics and bookkeeping allow of generation, fuels, stocks and certificates. They never reject.

Limits are set where nothing real reaches them, not where most plants stand; each names its source and how sure we are of it.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from services.collector.domain.account import AccountView
from services.collector.domain.basis import Unit
from services.collector.domain.contents.energy import (
    ElectricityGeneration,
    ElectricitySale,
    ElectricityUse,
    FuelPurchase,
    FuelStock,
    FuelUse,
    GenerationSource,
    GreenPowerCertificate,
    HeatSale,
    HeatUse,
)
from services.collector.domain.contents.production import Output
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.kinds import Content
from services.collector.domain.rules.plausibility import MEASURED_RANGE
from services.collector.domain.rules.rule import rule
from services.collector.domain.rules.stated import Stated, Total, beginning_in, same_place_and_days, stated, total
from services.common.civil_time import Period

# Units run a little above the capacity on their plate; ours.
OVERLOAD_MAX = Decimal("1.05")
DAYS_A_YEAR = Decimal(365)
# Full-load hours that no plant of the kind reaches in a year: China's best provinces have about 1,700 (PV) and 3,000 (wind),
# the world's best sites about 2,300 with tracking and 5,000 offshore. National Energy Administration, yearly statistics; unverified.
FULL_LOAD_HOURS_MAX = {GenerationSource.SOLAR: Decimal(2_400), GenerationSource.WIND: Decimal(5_200)}
# The best months of the year are half as good again as its mean; ours.
SEASON_MAX = Decimal("1.5")
SEASON_DAYS_MAX = 183
# GJ of fuel, electricity and heat below which a unit of product cannot be made, by product and route: 6.0 for a MWh is an efficiency of
# 60 % in a coal unit (best built: 49 %); reduction of ore to liquid iron 8.6, melting of scrap 1.3 (Fruehan et al. 2000, Theoretical
# Minimum Energies to Produce Steel; unverified), electrolysis of alumina 5,990 kWh (Choate and Green 2003; unverified), clinker 1.7
# (heat of formation of Portland clinker; unverified).
# Beside it the energy that the process cannot do without: where it is not stated, nothing follows.
ENERGY_MIN_GJ: dict[tuple[str, str], tuple[Decimal, type[FuelUse] | type[ElectricityUse]]] = {
    ("electricity", "coal"): (Decimal("6.0"), FuelUse),
    ("electricity", "gas"): (Decimal("5.5"), FuelUse),
    ("crude_steel", "bf_bof"): (Decimal("8.6"), FuelUse),
    ("crude_steel", "eaf"): (Decimal("1.3"), ElectricityUse),
    ("aluminium", ""): (Decimal("21.5"), ElectricityUse),
    ("clinker", ""): (Decimal("1.7"), FuelUse),
}
GJ_PER_MWH = Decimal("3.6")
# Above the calorific value of any fuel by weight but hydrogen, and of any gas by 10^4 Nm3.
NCV_MAX = {Unit.TONNE: Decimal(50), Unit.TEN_THOUSAND_NM3: Decimal(450)}
BALANCE_TOLERANCE = Decimal("0.05")
CARRY_TOLERANCE = Decimal("0.01")
# Electricity that meters of several companies see; ours.
METER_TOLERANCE = Decimal("1.02")


# ---- Generation ----


@rule(
    rule_id="GENERATION_ABOVE_CAPACITY",
    severity=Severity.SEVERE,
    rationale="A unit cannot give more than its capacity for every hour of the period.",
    possible_harm="Output is overstated, intensity understated: a coal unit looks like the best of its peers.",
    source="energy = power × time; 5 % for running above the plate are ours",
    innocent_explanation="Capacity was stated for one unit and generation for all; or kWh were sent as MWh.",
    what_to_do="State capacity and generation of the same units, in MW and MWh.",
)
def generation_above_capacity(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, ElectricityGeneration):
        capacity = one.content.capacity_mw
        if capacity is not None and one.content.generated_mwh > capacity * one.hours() * OVERLOAD_MAX:
            yield one.suspicion("generation is above capacity for every hour of the period")


@rule(
    rule_id="FULL_LOAD_HOURS_IMPOSSIBLE",
    severity=Severity.WARNING,
    rationale="Sun and wind bound what a megawatt gives in a year: no photovoltaic plant reaches 2,400 hours, no wind farm 5,200.",
    possible_harm="Fossil electricity is passed off as renewable; scope 2 and the grade are too good.",
    source="National Energy Administration, full-load hours by province (PV 1,100 to 1,700, wind 1,800 to 3,000), unverified",
    innocent_explanation="Capacity is that of the alternating side; part was built within the period; the plant tracks the sun.",
    what_to_do="Check capacity and meter; state the capacity that was in operation.",
)
def full_load_hours_impossible(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, ElectricityGeneration):
        content, capacity = one.content, one.content.capacity_mw
        if capacity is None or content.source not in FULL_LOAD_HOURS_MAX:
            continue
        days = one.period.days()
        season = SEASON_MAX if days <= SEASON_DAYS_MAX else Decimal(1)
        hours_max = FULL_LOAD_HOURS_MAX[content.source] * days / DAYS_A_YEAR * season
        # What exceeds every hour of the period is no question of weather.
        if capacity * hours_max < content.generated_mwh <= capacity * one.hours() * OVERLOAD_MAX:
            yield one.suspicion(f"{content.source} generates more per MW than any plant of its kind")


@rule(
    rule_id="OWN_USE_ABOVE_GENERATION",
    severity=Severity.WARNING,
    rationale="Of what was generated no more can be used than there was.",
    possible_harm="Purchased electricity is booked as own generation: scope 2 is understated.",
    source="carbonbureau.intake.v1.ElectricityGeneration",
    innocent_explanation="Own use includes what was bought; the two fields were swapped.",
    what_to_do="State as own use the part of this generation alone.",
)
def own_use_above_generation(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, ElectricityGeneration):
        if one.content.own_use_mwh is not None and one.content.own_use_mwh > one.content.generated_mwh:
            yield one.suspicion("own use is above generation")


@rule(
    rule_id="ELECTRICITY_SOLD_ABOVE_SUPPLY",
    severity=Severity.WARNING,
    rationale="What is sold was generated or bought before.",
    possible_harm="Exported electricity is deducted or earns allowances that were never due.",
    source="balance of electricity; 2 % between meters are ours",
    innocent_explanation="A unit of the plant is not reported; storage was emptied.",
    what_to_do="Send generation of all units and purchases for the same period.",
)
def electricity_sold_above_supply(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, ElectricitySale):
        made = _generated(view, one.period, one.facility_id)
        bought = total(view, ElectricityUse, "purchased_mwh", days=one.period, facility_id=one.facility_id)
        if made is None or bought is None:
            continue
        if one.content.sold_mwh > (made.amount + bought.amount) * METER_TOLERANCE:
            yield one.suspicion("more electricity was sold than generated and bought", beside=(*made.evidence, *bought.evidence))


def _generated(view: AccountView, days: Period, facility_id: UUID) -> Total | None:
    """Give what a facility generated, as output of electricity or, where it has none, by its generation records."""
    made = total(
        view,
        Output,
        "quantity",
        days=days,
        facility_id=facility_id,
        code="electricity",
    )
    return made or total(view, ElectricityGeneration, "generated_mwh", days=days, facility_id=facility_id)


@rule(
    rule_id="HEAT_SOLD_ABOVE_SUPPLY",
    severity=Severity.WARNING,
    rationale="Heat that is sold was made or bought before.",
    possible_harm="Exported heat takes emissions off the account that belong on it.",
    source="balance of heat",
    innocent_explanation="The output of heat is stated net of what is sold.",
    what_to_do="Send the gross output of heat and what was bought for the same period.",
)
def heat_sold_above_supply(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, HeatSale):
        made = total(
            view,
            Output,
            "quantity",
            days=one.period,
            facility_id=one.facility_id,
            code="heat",
        )
        bought = total(view, HeatUse, "purchased_gj", days=one.period, facility_id=one.facility_id)
        known = [part for part in (made, bought) if part is not None]
        if known and one.content.sold_gj > sum(part.amount for part in known):
            yield one.suspicion("more heat was sold than made and bought", beside=[each for part in known for each in part.evidence])


@rule(
    rule_id="ENERGY_BELOW_PHYSICAL_MINIMUM",
    severity=Severity.WARNING,
    rationale="No process makes its product with less energy than its chemistry or the second law of thermodynamics asks for.",
    possible_harm="Fuel is missing from the account, or output is inflated: emissions per unit are too good by as much.",
    source="theoretical minima by product, see ENERGY_MIN_GJ; the highest calorific values are taken where none was measured",
    innocent_explanation="Part of the energy is reported for another facility; intermediate products were bought.",
    what_to_do="Send all fuels, electricity and heat of the period, and material bought in its place.",
    rests_on_absence=True,
)
def energy_below_physical_minimum(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, Output):
        product, route = one.content.product_code, one.content.process_route
        limit = ENERGY_MIN_GJ.get((product, route)) or ENERGY_MIN_GJ.get((product, ""))
        if limit is None:
            continue
        minimum, needed = limit
        energy = {kind: _energy_gj(view, kind, one.period, one.facility_id) for kind in (FuelUse, ElectricityUse, HeatUse)}
        made = total(view, Output, "quantity", days=one.period, facility_id=one.facility_id)
        # Several products or routes share the energy; then nothing follows for any of them.
        assert made is not None, "an output covers its own days"
        if energy[needed] is None or made.amount != one.content.quantity:
            continue
        known = [part for part in energy.values() if part is not None]
        if sum(part.amount for part in known) < minimum * one.content.quantity:
            beside = [each for part in known for each in part.evidence]
            yield one.suspicion(f"less energy than {product} can be made with", about=product, beside=beside)


def _energy_gj(view: AccountView, kind: type[Content], days: Period, facility_id: UUID) -> Total | None:
    return total(view, kind, _gj, days=days, facility_id=facility_id)


def _gj(content: Content) -> Decimal:
    match content:
        case ElectricityUse(purchased_mwh=purchased):
            return purchased * GJ_PER_MWH
        case HeatUse(purchased_gj=purchased):
            return purchased
        case FuelUse(quantity=quantity, ncv_gj_per_unit=None):
            return quantity * (MEASURED_RANGE[content.fuel_code][0][1] if content.fuel_code in MEASURED_RANGE else NCV_MAX[content.unit])
        case FuelUse(quantity=quantity, ncv_gj_per_unit=Decimal() as measured):
            return quantity * measured
    raise AssertionError(f"{type(content).__name__} is no energy")


# ---- Stocks ----


@rule(
    rule_id="STOCK_BALANCE_OFF",
    severity=Severity.WARNING,
    rationale="What lay there, plus what came, less what was burnt, is what lies there: coal does not vanish.",
    possible_harm="Fuel burnt is understated by what the balance lacks, and the emissions with it.",
    source="balance of stock; 5 % of what went through are allowed for drying, dust and stock-taking (ours)",
    innocent_explanation="Coal was sold on or moved to another plant; the stock-take was on another day.",
    what_to_do="Compare weighbridge, belt scale and stock-take; correct the one that is wrong.",
)
def stock_balance_off(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, FuelStock):
        code = one.content.fuel_code
        bought = total(view, FuelPurchase, "quantity", days=one.period, facility_id=one.facility_id, code=code)
        used = total(view, FuelUse, "quantity", days=one.period, facility_id=one.facility_id, code=code)
        if bought is None or used is None:
            continue
        missing = one.content.opening_t + bought.amount - used.amount - one.content.closing_t
        if abs(missing) > BALANCE_TOLERANCE * max(one.content.opening_t + bought.amount, used.amount):
            yield one.suspicion(f"the stock of {code} does not balance", about=code, beside=(*bought.evidence, *used.evidence))


@rule(
    rule_id="STOCK_NOT_CARRIED_OVER",
    severity=Severity.WARNING,
    rationale="What lay there when one period ended lies there when the next begins.",
    possible_harm="A stock rewritten between two periods hides fuel that was burnt.",
    source="balance of stock; 1 % for a second stock-take is ours",
    innocent_explanation="A later survey of the heap replaced an estimate.",
    what_to_do="Correct the closing or the opening stock; tell of a survey by correcting the period in which it was made.",
)
def stock_not_carried_over(view: AccountView) -> Iterator[Suspicion]:
    series: dict[tuple[UUID, str, str], list[Stated[FuelStock]]] = defaultdict(list)
    for one in stated(view, FuelStock):
        series[one.facility_id, one.content.fuel_code, one.submission.provider_code].append(one)
    for (_, code, _), stocks in series.items():
        in_time = sorted(stocks, key=lambda stock: stock.period.start)
        for before, after in pairwise(in_time):
            closing, opening = before.content.closing_t, after.content.opening_t
            if before.period.end == after.period.start and abs(closing - opening) > CARRY_TOLERANCE * max(closing, opening):
                yield after.suspicion(f"the stock of {code} is not what it was a day before", about=code, beside=(before.submission,))


@rule(
    rule_id="FUEL_NOT_BOUGHT",
    severity=Severity.NOTICE,
    rationale="A plant whose purchases are reported and that burns a fuel of which none was bought or lay there got it elsewhere.",
    possible_harm="Fuel without invoice is fuel without check: its quantity and quality rest on one word.",
    source="this bureau, between kinds of one subject",
    innocent_explanation="The fuel comes from a mine or process of its own, or was bought by another company of the group.",
    what_to_do="Send purchases or stock of the fuel, or say where it comes from.",
    rests_on_absence=True,
)
def fuel_not_bought(view: AccountView) -> Iterator[Suspicion]:
    uses = same_place_and_days(stated(view, FuelUse), lambda content: "")
    for (facility_id, period, _), ones in uses.items():
        bought = {other.content.fuel_code for other in beginning_in(view, FuelPurchase, facility_id, period)}
        supplied = bought | {other.content.fuel_code for other in beginning_in(view, FuelStock, facility_id, period)}
        for one in ones if bought else ():
            if one.content.fuel_code not in supplied and one.content.quantity > 0:
                yield one.suspicion(f"{one.content.fuel_code} was used, and neither bought nor in stock", about=one.content.fuel_code)


# ---- Green electricity certificates ----


@rule(
    rule_id="CERTIFICATES_ABOVE_CONSUMPTION",
    severity=Severity.WARNING,
    rationale="A certificate cancelled for consumption stands for electricity that was used.",
    possible_harm="The rest could be cancelled a second time, for another buyer's electricity.",
    source="可再生能源绿色电力证书核发和交易规则 (2024): one certificate per MWh consumed, unverified",
    innocent_explanation="Part of the electricity was bought by another company at the site.",
    what_to_do="Cancel certificates for the consumption of the period, and send it whole.",
)
def certificates_above_consumption(view: AccountView) -> Iterator[Suspicion]:
    for (facility_id, period, _), ones in same_place_and_days(stated(view, GreenPowerCertificate), lambda content: "").items():
        used = total(view, ElectricityUse, "purchased_mwh", days=period, facility_id=facility_id)
        if used is not None and sum(one.content.certificate_mwh for one in ones) > used.amount:
            yield ones[0].suspicion("certificates stand for more electricity than was bought", beside=[one.submission for one in ones])


@rule(
    rule_id="CERTIFICATE_MONTH_AFTER_USE",
    severity=Severity.WARNING,
    rationale="Electricity is not used before it is generated.",
    possible_harm="Consumption of a year looks green by generation of the next.",
    source="绿色电力证书 rules: certificates carry the month of generation",
    innocent_explanation="The month of issue was written in place of the month of generation.",
    what_to_do="State the month of generation, or cancel the certificate for consumption after it.",
)
def certificate_month_after_use(view: AccountView) -> Iterator[Suspicion]:
    for one in stated(view, GreenPowerCertificate):
        if date.fromisoformat(f"{one.content.generation_year_month}-01") >= one.period.end:
            yield one.suspicion("certificates of a month after the consumption", about=one.content.generation_year_month)


@rule(
    rule_id="CERTIFICATE_NUMBER_TWICE",
    severity=Severity.SEVERE,
    rationale="A certificate is cancelled once: the same first number under two records is one cancellation counted twice.",
    possible_harm="The same green electricity lowers scope 2 twice.",
    source="可再生能源绿色电力证书核发和交易规则 (2024): each certificate has one number and is used once, unverified",
    innocent_explanation="One cancellation was split over two months without splitting its numbers.",
    what_to_do="State in each record the numbers that were cancelled for its period.",
)
def certificate_number_twice(view: AccountView) -> Iterator[Suspicion]:
    by_number: dict[str, list[Stated[GreenPowerCertificate]]] = defaultdict(list)
    for one in stated(view, GreenPowerCertificate):
        by_number[one.content.first_certificate_number].append(one)
    for number, ones in by_number.items():
        if len(ones) > 1:
            yield ones[-1].suspicion("a certificate number stands in two records", about=number, beside=[one.submission for one in ones])
