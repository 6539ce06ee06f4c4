"""The account rules about tax returns. They never reject."""

from collections.abc import Iterator

from services.collector.domain.account import AccountView
from services.collector.domain.finding import Severity, Suspicion
from services.collector.domain.rules.rule import rule


@rule(
    rule_id="TAX_RETURN_BEYOND_LIMIT",
    severity=Severity.SEVERE,
    rationale="No subject has 10^12 yuan of revenue, value added or tax; what adds up to more is a wrong unit or a program gone wrong.",
    possible_harm="Intensity per yuan would be zero, the best of the province.",
    source="this bureau, limits (README)",
    innocent_explanation="Fen or ten thousandths were sent as yuan.",
    what_to_do="Correct the amounts. The returns do not stand on the account until then.",
)
def tax_return_beyond_limit(view: AccountView) -> Iterator[Suspicion]:
    for period, evidence in view.fiscal.beyond_limit:
        yield Suspicion(message="the tax returns of the period add up to more than there can be", evidence=evidence, period=period)
