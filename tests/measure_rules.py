"""Measures how often each account rule finds something: `python -m tests.measure_rules` writes it beside the rules; then `make docs`.

A subject counts with every month of its history; a finding counts once, for whatever period it is. The same seed gives the same figures.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from services.collector import rules_page
from services.collector.domain.rules import catalogue
from tests.honest_province import Judged, judged
from tests.unit.collector.submissions import findings_of

SEED, SUBJECTS = 1, 240


def rates(subjects: Iterable[Judged]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Count findings per 1,000 subject-months, on honest subjects and on the others."""
    found: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    months = {True: 0, False: 0}
    for subject in subjects:
        found[subject.honest].update(finding.rule_id for finding in findings_of(subject.view))
        months[subject.honest] += subject.months
    return tuple(  # type: ignore[return-value]
        {
            rule.rule_id: (Decimal(1000) * found[honest][rule.rule_id] / max(1, months[honest])).quantize(Decimal("0.01"))
            for rule in catalogue.ACCOUNT_RULES
        }
        for honest in (True, False)
    )


def main() -> int:
    """Measure and write the file."""
    honest, falsified = rates(judged(seed=SEED, subjects=SUBJECTS))
    with rules_page.MEASURED.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["rule_id", "honest_per_1000_subject_months", "falsified_per_1000_subject_months"])
        for rule in sorted(catalogue.ACCOUNT_RULES, key=lambda rule: rule.rule_id):
            rows.writerow([rule.rule_id, honest[rule.rule_id], falsified[rule.rule_id]])
    for rule in sorted(catalogue.ACCOUNT_RULES, key=lambda rule: -honest[rule.rule_id]):
        if honest[rule.rule_id] or falsified[rule.rule_id]:
            print(f"{rule.rule_id:36} {rule.severity.name:8} {honest[rule.rule_id]:>8} {falsified[rule.rule_id]:>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
