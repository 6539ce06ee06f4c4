"""Decides which tax returns of a subject count: the denominators of intensity by value added and by tax.

They are chosen like every other figure (quantity.py). What one provider states for one period in several returns is added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from services.collector.domain.contents.tax import TaxReturn
from services.collector.domain.quantity import AMOUNT_MAX, Figure, Measure, ProviderFigure, Quantities, Quantity
from services.collector.domain.submission import Submission
from services.common.civil_time import Period

# PCAF score by our own mapping: figures that another authority has assessed, like an invoice.
TAX_RETURN_QUALITY = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class FiscalLine:
    """Revenue, value added and tax of one period, yuan. Value added may be negative, and is None where a return leaves it out."""

    period: Period
    revenue_yuan: Decimal
    value_added_yuan: Decimal | None
    tax_paid_yuan: Decimal
    data_quality: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FiscalLines:
    """The lines in the order of their periods, and the returns that add up to more than there can be."""

    lines: Sequence[FiscalLine]
    beyond_limit: Sequence[tuple[Period, tuple[Submission, ...]]]


def fiscal_lines(subject_id: UUID, effective: Iterable[Submission]) -> FiscalLines:
    """Choose the tax returns that count of the effective submissions of a subject."""
    quantities = Quantities()
    returns = Quantity(subject_id, Measure.TAX_RETURN, "", "yuan")
    for submission in effective:
        if isinstance(submission.content, TaxReturn):
            amount = submission.content.tax_paid_yuan
            quantities.add(returns, Figure(submission=submission, part="", amount=amount, data_quality=TAX_RETURN_QUALITY))
    lines = []
    beyond = []
    for resolution in quantities.resolved():
        for figure in resolution.chosen:
            line = _line(figure)
            if max(line.revenue_yuan, abs(line.value_added_yuan or Decimal(0)), line.tax_paid_yuan) > AMOUNT_MAX:
                beyond.append((figure.period, figure.evidence()))
            else:
                lines.append(line)
    return FiscalLines(lines=lines, beyond_limit=beyond)


def _line(figure: ProviderFigure) -> FiscalLine:
    stated = [one.submission.content for one in figure.figures]
    returns = [one for one in stated if isinstance(one, TaxReturn)]
    added = [one.value_added_yuan for one in returns if one.value_added_yuan is not None]
    return FiscalLine(
        period=figure.period,
        revenue_yuan=sum((one.revenue_yuan for one in returns), Decimal(0)),
        value_added_yuan=sum(added, Decimal(0)) if len(added) == len(returns) else None,
        tax_paid_yuan=sum((one.tax_paid_yuan for one in returns), Decimal(0)),
        data_quality=TAX_RETURN_QUALITY,
    )
