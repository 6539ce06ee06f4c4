"""Decides how a figure can be known and in which units quantities are stated: what contents of every domain have in common."""

from enum import StrEnum


class Basis(StrEnum):
    """How a provider came to know a figure."""

    METERED = "METERED"
    INVOICED = "INVOICED"
    DECLARED = "DECLARED"
    VERIFIED = "VERIFIED"


class Unit(StrEnum):
    """Unit of a quantity, as figures of the account name it."""

    TONNE = "t"
    TEN_THOUSAND_NM3 = "10^4Nm3"
    MWH = "MWh"
    GJ = "GJ"
    TONNE_PER_YEAR = "t/a"
    MW = "MW"
    YUAN = "yuan"


# The unit that a member of a `quantity` states its amount in.
UNIT_OF_MEMBER = {
    "mass_t": Unit.TONNE,
    "volume_ten_thousand_nm3": Unit.TEN_THOUSAND_NM3,
    "electricity_mwh": Unit.MWH,
    "heat_gj": Unit.GJ,
    "mass_t_per_year": Unit.TONNE_PER_YEAR,
    "power_mw": Unit.MW,
    "spend_yuan": Unit.YUAN,
}
