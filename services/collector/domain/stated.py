"""Lists what a submission states of a facility, quantity by quantity: the figures that accounts are made of."""

from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from services.collector.domain.basis import Basis, Unit
from services.collector.domain.contents.emissions import MineMethane, ReportedEmissions
from services.collector.domain.contents.energy import (
    ElectricityGeneration,
    ElectricitySale,
    ElectricityUse,
    FuelUse,
    GreenPowerCertificate,
    HeatSale,
    HeatUse,
)
from services.collector.domain.contents.production import FreightTransport, MaterialUse, Output, PurchasedGoods
from services.collector.domain.quantity import DATA_QUALITY_OF_BASIS, Figure, Measure, Quantity
from services.collector.domain.submission import Submission

# What certificates state stands in their registry, number by number: as good as an invoice.
_BASIS_OF_CERTIFICATES = Basis.INVOICED
TONNE_KILOMETRE = "tkm"


class _Stated(NamedTuple):
    """One amount in a submission. `part` splits a quantity, `use` makes another quantity of it."""

    measure: Measure
    amount: Decimal | None
    unit: str
    code: str = ""
    part: str = ""
    use: str = ""


def figures(submission: Submission, facility_id: UUID) -> list[tuple[Quantity, Figure]]:
    """List what a submission states; an amount that it leaves empty is not there, which is not zero."""
    content = submission.content
    basis = _BASIS_OF_CERTIFICATES if isinstance(content, GreenPowerCertificate) else getattr(content, "basis", Basis.DECLARED)
    quality = DATA_QUALITY_OF_BASIS[basis]
    return [
        (
            Quantity(facility_id, one.measure, one.code, one.unit, one.use),
            Figure(submission=submission, part=one.part, amount=one.amount, data_quality=quality),
        )
        for one in _stated(submission)
        if one.amount is not None
    ]


def _stated(submission: Submission) -> list[_Stated]:
    content = submission.content
    match content:
        case ElectricityUse():
            return [_Stated(Measure.ELECTRICITY_USE, content.purchased_mwh, Unit.MWH)]
        case ElectricitySale():
            return [_Stated(Measure.ELECTRICITY_SALE, content.sold_mwh, Unit.MWH)]
        case ElectricityGeneration():
            return [_Stated(Measure.ELECTRICITY_GENERATION, content.generated_mwh, Unit.MWH, use=content.source)]
        case GreenPowerCertificate():
            return [_Stated(Measure.GREEN_POWER, content.certificate_mwh, Unit.MWH)]
        case HeatUse():
            return [_Stated(Measure.HEAT_USE, content.purchased_gj, Unit.GJ)]
        case HeatSale():
            return [_Stated(Measure.HEAT_SALE, content.sold_gj, Unit.GJ)]
        case FuelUse():
            return [_Stated(Measure.FUEL_USE, content.quantity, content.unit, content.fuel_code, use=content.purpose)]
        case Output():
            return [_Stated(Measure.OUTPUT, content.quantity, content.unit, content.product_code, content.process_route)]
        case MaterialUse():
            return [_Stated(Measure.MATERIAL_USE, content.mass_t, Unit.TONNE, content.material_code, use=content.process_route)]
        case PurchasedGoods():
            return [_Stated(Measure.PURCHASED_GOODS, content.quantity, content.unit, content.goods_code)]
        case FreightTransport():
            return [_Stated(Measure.FREIGHT, content.transport_tkm, TONNE_KILOMETRE, content.mode_code)]
        case MineMethane():
            return [
                _Stated(Measure.MINE_METHANE, content.ventilated_ten_thousand_nm3, Unit.TEN_THOUSAND_NM3, "ventilated"),
                _Stated(Measure.MINE_METHANE, content.drained_ten_thousand_nm3, Unit.TEN_THOUSAND_NM3, "drained"),
                _Stated(Measure.MINE_METHANE, content.utilised_ten_thousand_nm3, Unit.TEN_THOUSAND_NM3, "utilised"),
                _Stated(Measure.MINE_METHANE, content.flared_ten_thousand_nm3, Unit.TEN_THOUSAND_NM3, "flared"),
            ]
        case ReportedEmissions():
            return [
                _Stated(Measure.SCOPE_1, content.scope1_tco2e, Unit.TONNE, part=content.energy_carrier),
                _Stated(Measure.SCOPE_2, content.scope2_tco2e, Unit.TONNE, part=content.energy_carrier),
            ]
        case _:
            return []
