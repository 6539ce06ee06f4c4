"""What a directory of subscribers may say."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.gateway.domain.subscriber import DirectoryError, PermittedPurpose, directory_of
from tests.unit.gateway.examples import BANK_URI, directory, subscriber

ENTRY: dict[str, Any] = {
    "code": "bank-one",
    "name": "Bank One",
    "identity": BANK_URI,
    "regions": ["14", "9990"],
    "purposes": ["LOAN_APPROVAL"],
    "valid_from": date(2026, 1, 1),
}


class TestDirectoryOf:
    def test_reads_a_subscriber(self) -> None:
        (found,) = directory_of({"subscriber": [ENTRY]}).by_identity.values()
        assert found.code == "bank-one"
        assert found.purposes == {PermittedPurpose.LOAN_APPROVAL}
        assert found.valid_until is None

    def test_reads_the_directory_of_the_one_machine_bureau(self) -> None:
        document = tomllib.loads((Path(__file__).parents[3] / "deploy" / "local" / "subscribers.toml").read_text())
        found = directory_of(document)
        bank = found.subscriber_on(date(2026, 11, 21), identity="carbonbureau://subscriber/bank-taihang")
        assert bank is not None
        assert bank.may_ask_about("140400")
        assert bank.may_ask_about("999000")

    def test_takes_an_empty_directory_in_which_nobody_may_ask(self) -> None:
        assert directory_of({}).by_identity == {}

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"code": "Bank One"}, "code"),
            ({"code": "a" * 41}, "code"),
            ({"code": "bank--one"}, "code"),
            ({"code": 5}, "code"),
            ({"identity": "carbonbureau://subscriber/bank-two"}, "identity"),
            ({"identity": "CARBONBUREAU://subscriber/bank-one"}, "identity"),
            ({"name": "  "}, "name"),
            ({"regions": []}, "regions"),
            ({"regions": "14"}, "regions"),
            ({"regions": [""]}, "regions"),
            ({"regions": ["1404000"]}, "regions"),
            ({"regions": [14]}, "regions"),
            ({"purposes": []}, "purposes"),
            ({"purposes": ["CURIOSITY"]}, "purposes"),
            ({"valid_from": "2026-01-01"}, "valid_from"),
            ({"valid_until": date(2026, 1, 1)}, "valid_until: not after"),
            ({"valid_till": date(2027, 1, 1)}, "valid_till: no such member"),
        ],
    )
    def test_refuses_an_entry_and_names_what_is_wrong(self, change: dict[str, Any], problem: str) -> None:
        with pytest.raises(DirectoryError, match=problem):
            directory_of({"subscriber": [ENTRY | change]})

    @pytest.mark.parametrize("member", sorted(ENTRY))
    def test_refuses_an_entry_without_a_member(self, member: str) -> None:
        with pytest.raises(DirectoryError, match=f"{member}: missing"):
            directory_of({"subscriber": [{name: value for name, value in ENTRY.items() if name != member}]})

    def test_refuses_a_subscriber_who_stands_in_it_twice(self) -> None:
        with pytest.raises(DirectoryError) as refused:
            directory_of({"subscriber": [ENTRY, ENTRY]})
        assert len(refused.value.problems) == 2

    @pytest.mark.parametrize("document", [{"subscriber": {}}, {"subscriber": [5]}, {"subscribers": []}])
    def test_refuses_another_shape(self, document: dict[str, Any]) -> None:
        with pytest.raises(DirectoryError):
            directory_of(document)


class TestSubscriberOn:
    def test_knows_a_contract_from_its_first_day_up_to_but_without_its_last(self) -> None:
        known = directory(subscriber(valid_from=date(2028, 2, 29), valid_until=date(2029, 1, 1)))
        days = {
            day: known.subscriber_on(day, identity=BANK_URI) is not None
            for day in (date(2028, 2, 28), date(2028, 2, 29), date(2028, 12, 31), date(2029, 1, 1))
        }
        assert list(days.values()) == [False, True, True, False]

    def test_knows_nobody_else(self) -> None:
        assert directory().subscriber_on(date(2026, 11, 21), identity=BANK_URI + "x") is None


class TestMayAskAbout:
    def test_reads_regions_as_leading_digits(self) -> None:
        bank = subscriber(regions=("1404", "9990"))
        assert bank.may_ask_about("140400")
        assert bank.may_ask_about("999012")
        assert not bank.may_ask_about("140200")
        assert not bank.may_ask_about("991404")
