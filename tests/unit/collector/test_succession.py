"""Plants that change hands: sold, merged, split off, taken over. No plant counts twice, no month is lost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from carbonbureau.intake.v1 import registry_pb2
from carbonbureau.intake.v1 import submission_pb2 as intake
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.domain import account, claims, effective, subject_code
from services.collector.domain.account import AccountView, FormerOwner
from services.collector.domain.submission import Submission
from tests.unit.collector.submissions import (
    PROVINCE,
    Sent,
    accepted,
    code_of,
    days,
    entry,
    message,
    month,
    owned,
    reported,
    rule_ids,
    subject_id_of,
    the_book,
)

OLD, NEW, THIRD = code_of(1), code_of(2), code_of(3)
MERGED, SPLIT, ENDED = (
    registry_pb2.STRUCTURAL_CHANGE_KIND_MERGED_INTO,
    registry_pb2.STRUCTURAL_CHANGE_KIND_SPLIT_INTO,
    registry_pb2.STRUCTURAL_CHANGE_KIND_DEREGISTERED,
)


def change(
    code: str, day: str, kind: "registry_pb2.StructuralChangeKind.ValueType", *, into: str = "", facilities: Mapping[str, str] | None = None
) -> intake.Submission:
    given_away = [
        registry_pb2.FacilitySuccession(facility_number=number, successor_code=successor)
        for number, successor in (facilities or {}).items()
    ]
    content = registry_pb2.StructuralChange(effective_date=day, change=kind, successor_code=into, facilities=given_away)
    return message(code=code, structural_change=content)


def accounts_of(sent: Sequence[Sent]) -> dict[str, AccountView]:
    """Draw up the account of everyone about whom something was sent or who is named, each beside all the others."""
    of_code: dict[str, list[Submission]] = defaultdict(list)
    for provider, one in sent:
        of_code[one.subject_code].append(accepted(one, provider=provider))
        for named in one.structural_change.facilities:
            of_code[named.successor_code]
        if one.structural_change.successor_code:
            of_code[one.structural_change.successor_code]
    counting = {
        code: effective.split(((one.provider_code, one.kind, one.record_number), one.record_revision, one) for one in submissions).effective
        for code, submissions in of_code.items()
    }
    histories = {code: claims.history(subject_id_of(code), subject_code.province(code), found) for code, found in counting.items()}
    subjects = {code: subject_id_of(code) for code in of_code}
    every_claim = claims.claims(list(histories.values()), subjects)
    views = {}
    for code, found in counting.items():
        former = claims.former_owners(every_claim, subject_id_of(code))
        views[code] = account.draw_up(
            subject_id=subject_id_of(code),
            code=code,
            bureau=PROVINCE,
            effective=found,
            parked=[],
            held_elsewhere=frozenset(),
            others=[one for other, one in histories.items() if other != code],
            former_owners=[
                FormerOwner(history=histories[other], effective=counting[other]) for other in of_code if subjects[other] in former
            ],
            subject_of_code=subjects,
            book=the_book(),
        )
    return views


def counted(views: Mapping[str, AccountView]) -> dict[str, list[tuple[str, Decimal]]]:
    """List what stands on each account: first day and tonnes."""
    return {
        code: [(str(posting.period.start), posting.amount_tco2e) for posting in view.postings]
        for code, view in views.items()
        if view.postings
    }


class TestMerger:
    def test_takes_every_plant_and_what_is_still_sent_under_the_old_code(self) -> None:
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), code=OLD)),
                ("ndrc-sx", change(OLD, "2024-03-01", MERGED, into=NEW)),
                *(("eco-sx", reported("5", code=OLD, facility_number="F1", period=month(2024, number))) for number in (2, 3)),
                ("eco-sx", reported("5", code=NEW, facility_number="F1", period=month(2024, 4))),
            ]
        )
        assert counted(views) == {OLD: [("2024-02-01", 5)], NEW: [("2024-03-01", 5), ("2024-04-01", 5)]}
        assert {"SUBJECT_ENDED", "FACILITY_PASSED_ON"} <= rule_ids(views[OLD])

    def test_takes_what_is_sent_without_number_for_the_only_plant(self) -> None:
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), code=OLD)),
                ("ndrc-sx", change(OLD, "2024-03-01", MERGED, into=NEW)),
                ("eco-sx", reported("5", code=OLD, period=month(2024, 3))),
            ]
        )
        assert counted(views) == {NEW: [("2024-03-01", 5)]}

    def test_counts_once_what_a_provider_sends_under_both_codes(self) -> None:
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), code=OLD)),
                ("ndrc-sx", change(OLD, "2024-03-15", MERGED, into=NEW)),
                ("eco-sx", reported("5", code=OLD, facility_number="F1", period=month(2024, 3))),
                ("eco-sx", reported("6", code=NEW, facility_number="F1", period=month(2024, 3))),
            ]
        )
        assert counted(views) == {NEW: [("2024-03-01", 6)]}
        assert "REPORTED_BY_BOTH_OWNERS" in rule_ids(views[NEW])

    def test_goes_on_through_the_next_one(self) -> None:
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), code=OLD)),
                ("ndrc-sx", change(OLD, "2024-02-01", MERGED, into=NEW)),
                ("ndrc-sx", change(NEW, "2024-03-01", MERGED, into=THIRD)),
                *(("eco-sx", reported("5", code=OLD, facility_number="F1", period=month(2024, number))) for number in (1, 2, 3)),
            ]
        )
        assert counted(views) == {OLD: [("2024-01-01", 5)], NEW: [("2024-02-01", 5)], THIRD: [("2024-03-01", 5)]}

    def test_leaves_to_the_successor_what_its_own_entry_says_later(self) -> None:
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), code=OLD)),
                ("ndrc-sx", change(OLD, "2024-02-01", MERGED, into=NEW)),
                ("ndrc-sx", entry(owned("F9"), code=NEW, effective_date="2024-04-01")),
                ("ndrc-sx", entry(owned("F1", "2024-04-01"), code=THIRD)),
                *(("eco-sx", reported("5", code=THIRD, facility_number="F1", period=month(2024, number))) for number in (4, 5)),
            ]
        )
        assert counted(views) == {THIRD: [("2024-04-01", 5), ("2024-05-01", 5)]}


class TestSplit:
    def test_gives_each_successor_its_plants_and_keeps_the_rest(self) -> None:
        figures = [
            ("eco-sx", reported(amount, code=OLD, facility_number=number, period=month(2024, 3)))
            for number, amount in (("F1", "1"), ("F2", "2"), ("F3", "3"))
        ]
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), owned("F2"), owned("F3"), code=OLD)),
                ("ndrc-sx", change(OLD, "2024-03-01", SPLIT, facilities={"F2": NEW, "F3": THIRD})),
                *figures,
            ]
        )
        assert counted(views) == {OLD: [("2024-03-01", 1)], NEW: [("2024-03-01", 2)], THIRD: [("2024-03-01", 3)]}
        assert "SUBJECT_ENDED" not in rule_ids(views[OLD])


class TestEnd:
    def test_without_successor_loses_no_figure(self) -> None:
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), code=OLD)),
                ("ndrc-sx", change(OLD, "2024-03-01", ENDED)),
                *(("eco-sx", reported("5", code=OLD, facility_number="F1", period=month(2024, number))) for number in (2, 3)),
            ]
        )
        assert counted(views) == {OLD: [("2024-02-01", 5), ("2024-03-01", 5)]}
        assert "FIGURES_AFTER_THE_END" in rule_ids(views[OLD])


class TestTransfer:
    def test_within_a_month_counts_both_halves_on_one_account(self) -> None:
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1", "2010-01-01", "2024-03-15"), code=OLD)),
                ("ndrc-sx", entry(owned("F1", "2024-03-15"), code=NEW)),
                ("eco-sx", reported("2", code=OLD, facility_number="F1", period=days("2024-03-01", "2024-03-15"))),
                ("eco-sx", reported("3", code=NEW, facility_number="F1", period=days("2024-03-15", "2024-04-01"))),
            ]
        )
        assert counted(views) == {OLD: [("2024-03-01", 2)], NEW: [("2024-03-15", 3)]}

    def test_in_dispute_moves_no_figure(self) -> None:
        """An entry that takes a plant over while the other one has not ended is an error of the register, not a sale."""
        views = accounts_of(
            [
                ("ndrc-sx", entry(owned("F1"), code=OLD)),
                ("ndrc-sx", entry(owned("F1", "2024-01-01"), code=NEW)),
                ("eco-sx", reported("5", code=OLD, facility_number="F1", period=month(2024, 3))),
            ]
        )
        assert counted(views) == {}
        assert "FACILITY_OF_ANOTHER_SUBJECT" in rule_ids(views[OLD])


@dataclass(frozen=True)
class Handover:
    """How a plant goes from one subject to the next, and on which day."""

    how: str
    day: date


HANDOVERS = st.lists(
    st.builds(
        Handover,
        how=st.sampled_from(["sold", "merged", "merged and listed", "split off"]),
        day=st.dates(date(2024, 2, 1), date(2024, 11, 30)),
    ),
    max_size=3,
    unique_by=lambda one: one.day,
).map(lambda found: sorted(found, key=lambda one: one.day))


class TestAnyHistory:
    @settings(max_examples=150, deadline=None)
    @given(
        handovers=HANDOVERS,
        late=st.lists(st.integers(0, 2), min_size=12, max_size=12),
        both=st.sets(st.integers(1, 12)),
        rotate=st.integers(0, 40),
    )
    def test_counts_every_month_of_a_plant_once(self, handovers: list[Handover], late: list[int], both: set[int], rotate: int) -> None:
        """Whoever's code a month is sent under, before or after the providers heard of it, in whatever order everything comes."""
        codes = [code_of(number + 1) for number in range(len(handovers) + 1)]
        sent: list[Sent] = [("ndrc-sx", entry(owned("F1", "2010-01-01", _until(handovers)), code=codes[0]))]
        for place, one in enumerate(handovers):
            sent += _records(one, codes[place], codes[place + 1], handovers[place + 1 :])
        for number in range(1, 13):
            owner = sum(1 for one in handovers if one.day < date(2024 + number // 12, number % 12 + 1, 1))
            under = {max(0, owner - late[number - 1])} | ({owner} if number in both else set())
            sent += [("eco-sx", reported("5", code=codes[one], facility_number="F1", period=month(2024, number))) for one in sorted(under)]
        place = rotate % len(sent)
        views = accounts_of(sent[place:] + sent[:place])
        months = sorted(line for lines in counted(views).values() for line in lines)
        assert months == [(f"2024-{number:02d}-01", Decimal(5)) for number in range(1, 13)]


def _until(following: list[Handover]) -> str:
    """Give the day on which an owner's entry says that it sold the plant; only a sale stands in the entry of the seller."""
    return str(following[0].day) if following and following[0].how == "sold" else ""


def _records(one: Handover, old: str, new: str, following: list[Handover]) -> list[Sent]:
    match one.how:
        case "sold":
            bought = owned("F1", str(one.day), _until(following))
            return [("ndrc-sx", entry(bought, code=new, effective_date=str(one.day)))]
        case "merged":
            told = change(old, str(one.day), MERGED, into=new)
        case "merged and listed":
            told = change(old, str(one.day), MERGED, into=new, facilities={"F1": new})
        case _:
            told = change(old, str(one.day), SPLIT, facilities={"F1": new})
    # The successor sells on by an entry of its own.
    sells = (
        [("ndrc-sx", entry(owned("F1", str(one.day), _until(following)), code=new, effective_date=str(one.day)))]
        if _until(following)
        else []
    )
    return [("ndrc-sx", told), *sells]
