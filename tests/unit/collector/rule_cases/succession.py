"""Planted cases of the rules in directory.py about subjects that ended and plants that changed hands."""

from carbonbureau.intake.v1 import registry_pb2

from services.collector.domain import claims
from services.collector.domain.account import FormerOwner
from services.collector.domain.claims import History
from tests.unit.collector.planted import NEVER, REGISTERED, Planted, pair, say
from tests.unit.collector.submissions import Sent, accepted, code_of, entry, owned, reported, subject_id_of

OTHER = code_of(2)
SOLD_ON = "2024-01-15"


def _history(*facilities: registry_pb2.FacilityOwnership) -> History:
    return claims.history(subject_id_of(OTHER), "14", [accepted(entry(*facilities, code=OTHER), provider="ndrc-sx")])


def _ended(day: str) -> Sent:
    return say("structural_change", provider="ndrc-sx", period=NEVER, effectiveDate=day, change="STRUCTURAL_CHANGE_KIND_DEREGISTERED")


def _figure(provider: str = "a") -> Sent:
    return provider, reported("1", facility_number="F1")


SELLER = _history(owned("F1", "2010-01-01", SOLD_ON))
# What is still reported under the code of the seller for the month of the sale.
SELLERS_MONTH = FormerOwner(history=SELLER, effective=[accepted(reported("1", code=OTHER, facility_number="F1"), provider="a")])

CASES = [
    Planted(
        rule_id="FACILITY_PASSED_ON",
        sent=[("ndrc-sx", entry(owned("F1", "2010-01-01", SOLD_ON))), _figure()],
        others=[_history(owned("F1", SOLD_ON))],
        harmless=[("ndrc-sx", entry(owned("F1", "2010-01-01", "2024-02-01"))), _figure()],
        harmless_others=[_history(owned("F1", "2024-02-01"))],
    ),
    Planted(
        rule_id="FACILITY_PASSED_ON",
        what="and not in dispute",
        sent=[("ndrc-sx", entry(owned("F1", "2010-01-01", SOLD_ON))), _figure()],
        others=[_history(owned("F1", SOLD_ON))],
        harmless=[("ndrc-sx", entry(owned("F1", "2010-01-01", "2024-01-16"))), _figure()],
        harmless_others=[_history(owned("F1", SOLD_ON))],
    ),
    Planted(
        rule_id="REPORTED_BY_BOTH_OWNERS",
        sent=[("ndrc-sx", entry(owned("F1", SOLD_ON))), _figure()],
        others=[SELLER],
        former_owners=[SELLERS_MONTH],
        harmless=[("ndrc-sx", entry(owned("F1", SOLD_ON))), _figure("b")],
        harmless_others=[SELLER],
    ),
    Planted(
        rule_id="REPORTED_BY_BOTH_OWNERS",
        what="and not by a stranger",
        sent=[("ndrc-sx", entry(owned("F1", SOLD_ON))), _figure()],
        others=[SELLER],
        former_owners=[SELLERS_MONTH],
        harmless=[REGISTERED, _figure()],
        harmless_others=[_history(owned("F1"))],
        also={"FACILITY_OWNER_CHANGED", "EMISSIONS_WITHOUT_OUTPUT"},
    ),
    pair("SUBJECT_ENDED", before=[REGISTERED], finds=_ended("2024-03-01"), passes=[]),
    pair("FIGURES_AFTER_THE_END", before=[REGISTERED, _figure()], finds=_ended("2024-01-01"), passes=_ended("2024-02-01")),
    pair(
        "FIGURES_AFTER_THE_END",
        "and it ended",
        before=[REGISTERED, _figure()],
        finds=_ended("2024-01-01"),
        passes=[],
        also={"SUBJECT_ENDED"},
    ),
    Planted(
        rule_id="FIGURES_AFTER_THE_END",
        what="of its own plant",
        sent=[REGISTERED, _ended("2024-01-01"), _figure()],
        harmless=[REGISTERED, _ended("2024-01-01"), _figure()],
        harmless_others=[_history(owned("F1"))],
        also={"FACILITY_NOT_REGISTERED", "EMISSIONS_WITHOUT_OUTPUT"},
    ),
]
