"""Who owns which facility when, and whom its figures count for."""

from datetime import date
from uuid import UUID

from carbonbureau.intake.v1 import submission_pb2 as intake

from services.collector.domain import claims
from services.collector.domain.account import AccountView
from services.collector.domain.claims import History
from services.collector.domain.directory import Standing
from services.common.identifiers import derived_id
from tests.unit.collector.submissions import (
    PROVINCE,
    SUBJECT_ID,
    accepted,
    code_of,
    entry,
    fuel,
    month,
    owned,
    reported,
    rule_ids,
    view_of,
    year,
)

OTHER = UUID(int=2)
PLANT = "SX-PLANT-7"
PLANT_ID = derived_id("facility", bureau=PROVINCE, numbered_in="14", facility_number=PLANT)


def others(*entries: intake.Submission, province: str = "14") -> list[History]:
    return [claims.history(OTHER, province, [accepted(one, provider="ndrc-sx") for one in entries])]


def standings(view: AccountView) -> list[Standing]:
    return [use.facility.standing for use in view.uses]


class TestFacilities:
    def test_have_one_identity_whoever_owns_them(self) -> None:
        ours = view_of([("ndrc-sx", entry(owned(PLANT))), ("ent-sx", fuel("1", facility_number=PLANT))])
        assert [posting.facility_id for posting in ours.postings] == [PLANT_ID]

    def test_without_number_are_the_only_one_that_is_registered(self) -> None:
        view = view_of([("ndrc-sx", entry(owned(PLANT))), ("ent-sx", fuel("1"))])
        assert [posting.facility_id for posting in view.postings] == [PLANT_ID]

    def test_that_nobody_registered_count_for_who_reports_them(self) -> None:
        view = view_of([("ndrc-sx", entry()), ("ent-sx", fuel("1", facility_number="SX-X"))])
        assert standings(view) == [Standing.UNREGISTERED]
        assert len(view.postings) == 1
        assert "FACILITY_NOT_REGISTERED" in rule_ids(view)

    def test_unregistered_of_two_subjects_are_not_the_same(self) -> None:
        sent = [("ent-sx", reported("1", facility_number="1"))]
        one, other = view_of(sent), view_of(sent, subject_id=OTHER)
        assert one.postings[0].facility_id != other.postings[0].facility_id


class TestAnotherSubjectsFacility:
    def test_is_not_posted_and_is_a_severe_finding(self) -> None:
        view = view_of([("ent-sx", reported("5", facility_number=PLANT))], others=others(entry(owned(PLANT))))
        assert view.postings == []
        assert "FACILITY_OF_ANOTHER_SUBJECT" in rule_ids(view)

    def test_counts_for_the_new_owner_from_the_period_of_the_transfer_on(self) -> None:
        sold = owned(PLANT, "2010-01-01", "2024-03-15")
        theirs = others(entry(owned(PLANT, "2024-03-15")))
        months = [("ent-sx", reported("5", facility_number=PLANT, period=month(2024, number))) for number in (2, 3, 4)]
        view = view_of([("ndrc-sx", entry(sold)), *months], others=theirs)
        assert [posting.period.start for posting in view.postings] == [date(2024, 2, 1)]

    def test_counts_once_whoever_reports_the_month_of_the_transfer(self) -> None:
        sold, bought = owned(PLANT, "2010-01-01", "2024-03-15"), owned(PLANT, "2024-03-15")
        march = ("ent-sx", reported("5", facility_number=PLANT, period=month(2024, 3)))
        seller = view_of([("ndrc-sx", entry(sold)), march], others=others(entry(bought)))
        buyer = view_of([("ndrc-sx", entry(bought)), march], others=others(entry(sold)))
        assert (len(seller.postings), len(buyer.postings)) == (0, 1)

    def test_stays_the_last_owners_in_a_period_in_which_ownership_ended(self) -> None:
        view = view_of(
            [("ndrc-sx", entry(owned(PLANT, "2010-01-01", "2024-03-15"))), ("a", reported("5", facility_number=PLANT, period=year(2024)))]
        )
        assert standings(view) == [Standing.OWN]


class TestANumberOfAnotherProvince:
    """Numbers are given province by province: what a foreign register calls by the same number is another plant."""

    FIGURE = ("a", reported("5", facility_number=PLANT))

    def test_takes_no_figure_over_whoever_claims_it_there(self) -> None:
        view = view_of([("ndrc-sx", entry(owned(PLANT))), self.FIGURE], others=others(entry(owned(PLANT, "2024-01-01")), province="99"))
        assert standings(view) == [Standing.OWN]
        assert len(view.postings) == 1
        assert not {"FACILITY_CLAIMED_TWICE", "FACILITY_OWNER_CHANGED", "FACILITY_OF_ANOTHER_SUBJECT"} & rule_ids(view)

    def test_leaves_what_nobody_registered_here_with_who_reports_it(self) -> None:
        view = view_of([self.FIGURE], others=others(entry(owned(PLANT)), province="99"))
        assert standings(view) == [Standing.UNREGISTERED]

    def test_is_another_facility_on_the_account_there(self) -> None:
        sent = [("ndrc-sx", entry(owned(PLANT))), self.FIGURE]
        (here,) = view_of(sent).postings
        (there,) = view_of(sent, subject_id=OTHER, code=code_of(1, region="999000")).postings
        assert here.facility_id == PLANT_ID != there.facility_id


class TestTwoClaims:
    def test_the_later_one_holds_and_both_are_asked(self) -> None:
        view = view_of(
            [("ndrc-sx", entry(owned(PLANT, "2010-01-01"))), ("a", reported("5", facility_number=PLANT))],
            others=others(entry(owned(PLANT, "2023-01-01"))),
        )
        assert view.postings == []
        assert {"FACILITY_CLAIMED_TWICE", "FACILITY_OF_ANOTHER_SUBJECT", "FACILITY_OWNER_CHANGED"} <= rule_ids(view)

    def test_from_the_same_day_none_is_picked(self) -> None:
        ours, theirs = entry(owned(PLANT, "2020-01-01")), entry(owned(PLANT, "2020-01-01"))
        figure = ("a", reported("5", facility_number=PLANT))
        one = view_of([("ndrc-sx", ours), figure], others=others(theirs))
        other = view_of([("ndrc-sx", theirs), figure], others=others(ours))
        assert (one.postings, other.postings) == ([], [])
        assert "FACILITY_CONTESTED" in rule_ids(one)


class TestSeveralFacilities:
    def test_figures_without_number_count_for_the_subject_as_a_whole(self) -> None:
        view = view_of([("ndrc-sx", entry(owned("F1"), owned("F2"))), ("ent-sx", reported("5"))])
        assert standings(view) == [Standing.UNNUMBERED_OF_SEVERAL]
        assert len(view.postings) == 1
        assert "FACILITY_NUMBER_MISSING" in rule_ids(view)

    def test_a_total_is_not_added_to_the_figures_of_its_facilities(self) -> None:
        view = view_of([("ndrc-sx", entry(owned("F1"), owned("F2"))), ("a", reported("9")), ("b", reported("5", facility_number="F1"))])
        assert [int(posting.amount_tco2e) for posting in view.postings] == [5]
        assert "TOTAL_NOT_POSTED" in rule_ids(view)


class TestEntries:
    def test_the_newest_gives_the_profile(self) -> None:
        view = view_of([("a", entry(name="新名", effective_date="2023-01-01")), ("a", entry(name="旧名", effective_date="2020-01-01"))])
        assert view.profile is not None
        assert view.profile.name == "新名"

    def test_a_later_one_ends_what_it_does_not_name_any_more(self) -> None:
        entries = [accepted(one, provider="a") for one in (entry(owned(PLANT)), entry(effective_date="2024-01-01"))]
        (claim,) = claims.claims([claims.history(SUBJECT_ID, "14", entries)], {})
        assert (claim.start, claim.until) == (date(2010, 1, 1), date(2024, 1, 1))

    def test_a_later_one_says_nothing_of_the_days_before_it(self) -> None:
        entries = [accepted(one, provider="a") for one in (entry(), entry(owned(PLANT), effective_date="2024-01-01"))]
        (claim,) = claims.claims([claims.history(SUBJECT_ID, "14", entries)], {})
        assert (claim.start, claim.until) == (date(2024, 1, 1), None)
