"""The scorecard counts what a provider really sent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from services.collector.scorecard import scorecard
from tests.integration.collector.conftest import Collector
from tests.unit.collector.submissions import DECLARED, INVOICED, entry, fuel, month


class TestScorecard:
    def test_counts_by_kind_and_month_of_arrival(self, collector: Collector) -> None:
        collector.send(
            ("ndrc-sx", entry()),
            ("tax-sx", fuel("1000", basis=INVOICED, record_number="1")),
            ("ent-sx", fuel("700", basis=DECLARED, record_number="1")),
            ("ent-sx", fuel("900", basis=DECLARED, record_number="2", period=month(2024, 2))),
            ("ent-sx", fuel("901", basis=DECLARED, record_number="2", period=month(2024, 2), record_revision=2)),
            ("ent-sx", fuel("-5", basis=DECLARED, record_number="3")),
        )
        collector.rebuild()
        (row,) = scorecard(collector.database, provider_code="ent-sx", month=None)
        assert (row.kind, row.accepted, row.rejected) == ("FUEL_USE", 3, 1)
        assert row.rejection_rate == Decimal("0.25")
        assert row.correction_rate == Decimal("0.3333")
        # The January figure differs from the invoice; February has no second opinion.
        assert row.disagreement_rate == Decimal("0.3333")
        assert row.delay_days is not None
        assert row.delay_days > 300
        assert scorecard(collector.database, provider_code="ent-sx", month=row.month) == [row]
        assert scorecard(collector.database, provider_code="ent-sx", month=date(2000, 1, 1)) == []
