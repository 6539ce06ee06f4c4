"""The account is a function of the set of accepted submissions; corrections reverse and post again; statements are exact bytes."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from uuid import UUID

import pytest
import zstandard
from carbonbureau.accounts.v1 import account_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector import accounts, events
from services.collector.domain import posting, statement
from services.collector.domain.account import LINES_MAX, AccountView
from services.collector.domain.posting import Changes
from services.collector.domain.statement import FINDINGS_MAX
from services.common.outbox import OutgoingEvent
from tests.unit.collector.submissions import (
    CODE,
    DECLARED,
    INVOICED,
    METERED,
    SUBJECT_ID,
    Sent,
    electricity,
    entry,
    findings_of,
    fuel,
    investment,
    month,
    output,
    owned,
    plan,
    reported,
    view_of,
    year,
)

# What the contract allows of a code and of a list.
CODE_CHARACTERS_MAX = 64
LIST_ITEMS_MAX = 500

KNOWN_AT = datetime(2026, 1, 5, 3, 4, 5, 678901, tzinfo=UTC)
EVENT_BYTES_MAX = 256 * 1024


def content_of(view: AccountView) -> bytes:
    content = statement.state(view, findings_of(view))
    return events.content_bytes(events.statement(content, subject_id=view.subject_id, subject_code=CODE))


def sealed(view: AccountView) -> bytes:
    message = events.statement(statement.state(view, findings_of(view)), subject_id=view.subject_id, subject_code=CODE)
    return events.sealed(message, account_revision=7, known_at=KNOWN_AT)


def eventful() -> list[Sent]:
    """Make a set of submissions with everything that could depend on order: corrections, gaps, ties, overlaps, several providers."""
    sent: list[Sent] = [
        ("ndrc-sx", entry(owned("F1"), owned("F2", "2024-02-01"), record_number="E1")),
        ("ndrc-sx", entry(owned("F1"), name="新名", effective_date="2024-03-01", record_number="E2")),
        ("ndrc-sx", plan(record_number="P1")),
        ("ndrc-sx", plan(record_number="P1", record_revision=2, adopted="2023-06-01")),
        ("ent-sx", investment("5", "10", record_number="I1")),
        ("ent-sx", reported("8000", "20", period=year(2023), record_number="Y1")),
        ("eco-sx", reported("2990", "3", record_number="M1")),
        ("eco-sx", reported("3100", "4", record_number="M1", record_revision=3)),
        ("eco-sx", reported("3200", "5", record_number="M2", carrier="coal", facility_number="F9")),
    ]
    for number in (1, 2, 3):
        period = month(2024, number)
        sent += [
            ("tax-sx", fuel(f"{1000 + number}.5", period=period, basis=INVOICED, record_number=f"T{number}")),
            ("tax-sx", fuel("12.25", period=period, basis=INVOICED, record_number=f"TT{number}", fuel_code="diesel")),
            ("ent-sx", fuel(f"{900 + number}", period=period, basis=DECLARED, ncv="22.5", record_number=f"F{number}")),
            ("grid-sx", electricity(f"{50 + number}", period=period, basis=METERED, record_number=f"G{number}")),
            ("ent-sx", electricity("80", period=period, basis=DECLARED, record_number=f"EL{number}")),
            ("stats-sx", output(f"{3000 + number}", period=period, record_number=f"O{number}")),
        ]
    sent += [
        ("tax-sx", fuel("1100", period=month(2024, 2), basis=INVOICED, record_number="T2", record_revision=2)),
        ("tax-sx", fuel("1200", period=month(2024, 2), basis=INVOICED, record_number="T2", record_revision=3)),
        ("tax-sx", fuel("1300", period=month(2024, 2), basis=INVOICED, record_number="T2", record_revision=5)),
    ]
    return sent


class TestOrder:
    @settings(max_examples=60, deadline=None)
    @given(st.randoms(use_true_random=False))
    def test_of_arrival_does_not_matter(self, shuffler: random.Random) -> None:
        sent = eventful()
        expected = content_of(view_of(sent))
        shuffler.shuffle(sent)
        assert content_of(view_of(sent)) == expected

    @settings(max_examples=30, deadline=None)
    @given(st.randoms(use_true_random=False), st.data())
    def test_of_any_part_of_them_does_not_matter(self, shuffler: random.Random, data: st.DataObject) -> None:
        everything = eventful()
        part = [one for one in everything if data.draw(st.booleans())]
        expected = content_of(view_of(part))
        shuffler.shuffle(part)
        assert content_of(view_of(part)) == expected

    def test_of_interleaved_rebuilds_does_not_matter(self) -> None:
        """Whatever was posted on the way, what stands in the end is what the whole set says."""
        sent = eventful()
        target = {one.digest() for one in view_of(sent).postings}
        for seed in range(10):
            random.Random(seed).shuffle(sent)
            net: dict[bytes, UUID] = {}
            for count in range(1, len(sent) + 1):
                changes = posting.changes(subject_id=SUBJECT_ID, account_revision=count, net=net, target=view_of(sent[:count]).postings)
                net = after(net, changes)
            assert net.keys() == target


def after(net: dict[bytes, UUID], changes: Changes) -> dict[bytes, UUID]:
    """Apply changes to the net postings of an account, as the tables do."""
    taken_back = {reversal.reverses for reversal in changes.reversals}
    kept = {digest: posting_id for digest, posting_id in net.items() if posting_id not in taken_back}
    return kept | {new.digest: new.posting_id for new in changes.postings}


class TestCorrections:
    def posted(self, net: dict[bytes, UUID], *sent: Sent, revision: int) -> Changes:
        return posting.changes(subject_id=SUBJECT_ID, account_revision=revision, net=net, target=view_of(sent).postings)

    def test_reverse_what_was_posted_and_post_again(self) -> None:
        original: Sent = ("eco-sx", reported("100", record_number="1"))
        correction: Sent = ("eco-sx", reported("90", record_number="1", record_revision=2))
        first = self.posted({}, original, revision=1)
        net = after({}, first)
        second = self.posted(net, original, correction, revision=2)
        assert [reversal.reverses for reversal in second.reversals] == [new.posting_id for new in first.postings]
        assert [new.posting.amount_tco2e for new in second.postings] == [Decimal(90)]

    def test_leave_other_lines_alone(self) -> None:
        other: Sent = ("eco-sx", reported("7", record_number="2", period=month(2024, 2)))
        original: Sent = ("eco-sx", reported("100", record_number="1"))
        net = after({}, self.posted({}, original, other, revision=1))
        correction: Sent = ("eco-sx", reported("90", record_number="1", record_revision=2))
        second = self.posted(net, original, other, correction, revision=2)
        assert (len(second.reversals), len(second.postings)) == (1, 1)

    def test_that_say_the_same_still_name_the_new_evidence(self) -> None:
        original: Sent = ("eco-sx", reported("100", record_number="1"))
        net = after({}, self.posted({}, original, revision=1))
        again: Sent = ("eco-sx", reported("100", record_number="1", record_revision=2))
        second = self.posted(net, original, again, revision=2)
        assert len(second.reversals) == len(second.postings) == 1

    def test_change_nothing_while_they_are_parked(self) -> None:
        original: Sent = ("eco-sx", reported("100", record_number="1"))
        net = after({}, self.posted({}, original, revision=1))
        parked: Sent = ("eco-sx", reported("50", record_number="1", record_revision=3))
        assert self.posted(net, original, parked, revision=2) == Changes([], [])

    def test_of_the_subject_stay_parked_on_the_other_account(self) -> None:
        """A wrong subject is put right by correcting its record to 0 and a new record, never by a correction that names another."""
        stray: Sent = ("eco-sx", reported("90", record_number="1", record_revision=2))
        view = view_of([stray])
        assert (view.postings, len(view.parked)) == ([], 1)

    def test_make_the_same_postings_when_a_rebuild_is_repeated(self) -> None:
        original: Sent = ("eco-sx", reported("100", record_number="1"))
        assert self.posted({}, original, revision=1) == self.posted({}, original, revision=1)


class TestStatement:
    def test_is_in_the_event_with_its_exact_bytes(self) -> None:
        exact = sealed(view_of(eventful()))
        event = events.account_revised(
            subject_id=SUBJECT_ID, account_revision=7, known_at=KNOWN_AT, province="shanxi", causation_ids=["a"], statement=exact
        )
        revised = account_pb2.AccountRevised.FromString(event.value)
        assert exact in event.value
        assert sha256(revised.statement.SerializeToString(deterministic=True)).digest() == sha256(exact).digest()
        assert revised.envelope.subject_revision == revised.statement.account_revision == 7
        assert revised.statement.known_time.ToDatetime(tzinfo=UTC) == KNOWN_AT

    def test_says_what_the_account_says(self) -> None:
        read = account_pb2.AccountStatement.FromString(sealed(view_of(eventful())))
        assert read.profile.name == "新名"
        assert read.plan.adopted_date == "2023-06-01"
        assert [(line.technology_code, line.recognised) for line in read.investments] == [("turbine_retrofit", True)]
        # T1 by the heat that ent-sx measured, T2 in its third revision, the fifth waits for the fourth.
        burnt = [line for line in read.lines if line.energy_carrier == "coal" and line.method_code == "fossil-power-generation/2022"]
        per_tonne = Fraction("22.5") * Fraction("0.03085") * Fraction("0.99") * Fraction(44, 12)
        tonnes = (Fraction("1001.5"), Fraction(1200), Fraction("1003.5"))
        assert all(abs(Fraction(line.amount_tco2e) - t * per_tonne) < Fraction(1, 1000) for line, t in zip(burnt, tonnes, strict=True))
        assert read.evidence_count == len(view_of(eventful()).effective)

    def test_names_as_evidence_every_effective_submission(self) -> None:
        one = account_pb2.AccountStatement.FromString(sealed(view_of([("a", reported("1", record_number="1"))])))
        other = account_pb2.AccountStatement.FromString(sealed(view_of([("a", reported("1", record_number="2"))])))
        assert one.evidence_root != other.evidence_root
        assert one.evidence_count == other.evidence_count == 1


def busy_subject() -> list[Sent]:
    """Make 36 months of a subject with 12 plants that burn four fuels and buy electricity, reported by three providers."""
    rng = random.Random(36)
    numbers = [f"SX-PLANT-{plant:02d}" for plant in range(12)]
    sent: list[Sent] = [("ndrc-sx", entry(*(owned(number) for number in numbers))), ("ndrc-sx", plan())]
    for index in range(36):
        period = month(2023, index + 1)
        for number in numbers:
            for code in ("coal", "diesel", "fuel_oil", "gasoline"):
                amount = f"{rng.uniform(10, 90_000):.3f}"
                sent.append(("tax-sx", fuel(amount, fuel_code=code, period=period, basis=INVOICED, facility_number=number)))
            sent.append(("grid-sx", electricity(f"{rng.uniform(10, 9_000):.3f}", period=period, facility_number=number)))
            sent.append(("stats-sx", output(f"{rng.uniform(10, 900_000):.3f}", period=period, facility_number=number)))
        sent.append(("ent-sx", investment(f"{rng.uniform(1, 10**8):.2f}", f"{10**9}", period=period)))
    return sent


def unpackable() -> str:
    """Make a code of the greatest length, of characters that have four bytes and follow no order."""
    return "".join(chr(_hostile.randrange(0x20000, 0x2A6DE)) for _ in range(CODE_CHARACTERS_MAX))


_hostile = random.Random(64)


def hostile_directory() -> list[Sent]:
    """Make an entry and a plan as long as they may be."""
    longest = plan()
    longest.transition_plan.ClearField("yearly_targets")
    longest.transition_plan.ClearField("milestones")
    for _ in range(LIST_ITEMS_MAX):
        amount = f"{_hostile.randrange(10**12)}.{_hostile.randrange(1, 10**9):09d}"
        longest.transition_plan.yearly_targets.add(year=_hostile.randrange(2000, 2100), intensity_reduction_percent=amount)
        longest.transition_plan.milestones.add(milestone_number=unpackable(), due_date="2025-01-01", completed_date="2024-12-01")
    name = "".join(unpackable() for _ in range(15))
    return [("ndrc-sx", entry(name=name, city=unpackable(), industry=unpackable())), ("ndrc-sx", longest)]


def event_of(message: account_pb2.AccountStatement) -> OutgoingEvent:
    return events.account_revised(
        subject_id=SUBJECT_ID,
        account_revision=1,
        known_at=KNOWN_AT,
        province="shanxi",
        causation_ids=[str(UUID(int=_hostile.getrandbits(128))) for _ in range(64)],
        statement=events.sealed(message, account_revision=1, known_at=KNOWN_AT),
    )


class TestLimits:
    def test_an_event_of_36_busy_months_fits_the_log(self) -> None:
        exact = sealed(view_of(busy_subject()))
        statement_read = account_pb2.AccountStatement.FromString(exact)
        assert len(statement_read.lines) == 36 * 12 * 5
        event = events.account_revised(
            subject_id=SUBJECT_ID, account_revision=1, known_at=KNOWN_AT, province="shanxi", causation_ids=[], statement=exact
        )
        assert len(zstandard.compress(event.value)) <= EVENT_BYTES_MAX
        assert len(event.value) <= 1024 * 1024

    def test_the_largest_event_possible_fits_the_log(self) -> None:
        """Lines, outputs and findings at their limits, every text as long as the contract allows it to be believed."""
        sent: list[Sent] = []
        for number in range(LINES_MAX + 10):
            period = month(2010, number % 180 + 1)
            sent.append(("ent-sx", reported(f"{number}.123456", facility_number=f"F{number}", carrier=f"carrier-{number}", period=period)))
            sent.append(("ent-sx", output(f"{number}.5", facility_number=f"F{number}", route=f"route-{number}", period=period)))
        exact = sealed(view_of(sent))
        read = account_pb2.AccountStatement.FromString(exact)
        assert (len(read.lines), len(read.outputs)) == (LINES_MAX, LINES_MAX)
        assert "STATEMENT_LIMITED" in {finding.rule_id for finding in read.findings}
        assert len(zstandard.compress(exact)) <= EVENT_BYTES_MAX

    def test_of_texts_that_cannot_be_packed_are_kept_by_showing_fewer_lines(self) -> None:
        sent: list[Sent] = hostile_directory()
        for number in range(LINES_MAX):
            period = month(2010, number % 180 + 1)
            sent.append(("ent-sx", reported("1", facility_number=f"F{number}", carrier=unpackable(), period=period)))
            sent.append(("ent-sx", output("1", facility_number=f"F{number}", product=unpackable(), route=unpackable(), period=period)))
        stated = accounts.state(view_of(sent), code=CODE)
        event = event_of(stated.message)
        assert len(zstandard.compress(event.value)) <= EVENT_BYTES_MAX
        assert 0 < len(stated.message.lines) == len(stated.message.outputs) < LINES_MAX
        (limited,) = (finding for finding in stated.message.findings if finding.rule_id == "STATEMENT_LIMITED")
        assert f"newest {len(stated.message.lines)} lines" in limited.message
        assert stated.message.evidence_count == len(sent)

    def test_without_any_line_hold_whatever_the_form_rules_let_pass(self) -> None:
        """Three hundred findings with the longest texts, a plan of a thousand items, forty windows: all that cannot be left out."""
        sent: list[Sent] = hostile_directory()
        for number in range(FINDINGS_MAX + 50):
            period = year(1990 + number % 36)
            sent.append(("ent-sx", output("1", product=unpackable(), route=unpackable(), period=period)))
            sent += [("ent-sx", investment("2", "1", technology=unpackable(), period=period))]
        view = replace(view_of(sent), lines_max=0)
        stated = accounts.state(view, code=CODE)
        assert (len(stated.message.lines), len(stated.message.outputs), len(stated.message.investments)) == (0, 0, 0)
        assert len(stated.message.findings) == FINDINGS_MAX
        assert len(stated.message.plan.targets) == len(stated.message.plan.milestones) == LIST_ITEMS_MAX
        assert len(stated.message.annual_figures) >= 36
        assert events.fits_an_event(events.content_bytes(stated.message))

    def test_of_sums_leave_out_what_is_no_amount_and_say_so(self) -> None:
        """A thousand and one records of the largest amount each, for one plant and for a plant each."""
        largest = "1000000000000"
        of_one_plant: list[Sent] = [("a", output(largest, record_number=f"O{number}")) for number in range(1001)]
        of_one_plant += [("a", investment(largest, largest, record_number=f"I{number}")) for number in range(1001)]
        of_many: list[Sent] = [("b", output(largest, facility_number=f"F{number}", period=month(2022, 1))) for number in range(1001)]
        stated = accounts.state(view_of([*of_one_plant, *of_many, ("a", reported("7"))]), code=CODE)
        assert {"FIGURE_BEYOND_LIMIT", "WINDOW_BEYOND_LIMIT"} <= {finding.rule_id for finding in stated.message.findings}
        assert len(stated.message.outputs) == len(of_many)
        assert len(stated.message.investments) == 0
        # The window of the many plants is left out; that of the emissions stands.
        assert [(one.period.end_date, one.scope1_tco2e) for one in stated.message.annual_figures] == [("2024-02-01", "7.000000")]

    def test_what_is_left_out_is_the_oldest(self) -> None:
        sent = [
            ("a", reported("1", facility_number=str(number), period=month(2000, number % 300 + 1))) for number in range(LINES_MAX + 300)
        ]
        content = statement.state(view_of(sent), [])
        assert min(line.period.start for line in content.lines) > date(2000, 1, 1)


class TestScale:
    @pytest.mark.parametrize(
        ("written", "posted"),
        [("1", "1.000000"), ("0.0000005", "0.000000"), ("0.0000015", "0.000002"), ("0.0000025", "0.000002"), ("0.000000501", "0.000001")],
    )
    def test_is_six_decimals_rounded_half_to_even(self, written: str, posted: str) -> None:
        (line,) = view_of([("a", reported(written))]).postings
        assert str(line.amount_tco2e) == posted


def test_two_equal_figures_of_different_months_are_two_postings() -> None:
    sent: Sequence[Sent] = [("a", reported("1", period=month(2024, number))) for number in (1, 2)]
    assert len({one.digest() for one in view_of(sent).postings}) == 2
