"""A provider directory is checked whole before anything is made of it."""

import pytest

from deploy.local import access
from deploy.local.plan import PROVIDERS_FILE
from services.collector.domain.basis import Basis
from services.collector.domain.kinds import Domain, Kind
from services.collector.domain.provider import Provider, domain_and_code, intake_topics
from services.collector.providers import RESERVED_CODES, DirectoryRefusedError, parse_directory

ONE = """
[[provider]]
code = "grid-sx"
name = "国网"
department = "utility"
kinds = ["ELECTRICITY_USE"]
bases = ["METERED", "INVOICED", "DECLARED", "VERIFIED"]
regions = ["14"]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(DirectoryRefusedError) as refused:
        parse_directory(text)
    return list(refused.value.problems)


class TestTheShippedDirectory:
    def test_has_the_providers_of_the_sandbox(self) -> None:
        entries = {entry.provider.code: entry.provider for entry in parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))}
        assert set(entries) == {"grid-sx", "tax-sx", "eco-sx", "stats-sx", "ndrc-sx", "ent-sx", "cer-au"}
        assert entries["tax-sx"].kinds == {Kind.FUEL_USE, Kind.ELECTRICITY_USE}
        assert entries["cer-au"].may_report_on("999000")
        assert not entries["cer-au"].may_report_on("140400")

    def test_gives_each_its_own_topics(self) -> None:
        providers = [entry.provider for entry in parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8"))]
        topics = intake_topics(providers)
        assert len(topics) == len(set(topics)) == 13
        assert "intake.energy.v1.tax-sx" in topics


class TestFaults:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('"grid-sx"', '"Grid SX"', "code is not"),
            ('"grid-sx"', '"x"', "code is not"),
            ('"grid-sx"', '"grid-sx.v1"', "code is not"),
            ('["ELECTRICITY_USE"]', '["ELECTRICITY"]', "ELECTRICITY is not known"),
            ('["ELECTRICITY_USE"]', "[]", "kinds is not a list"),
            ('"METERED"', '"GUESSED"', "GUESSED is not known"),
            ('["14"]', '["山西"]', "山西 is not known"),
            ('["14"]', "[14]", "regions is not a list of texts"),
            ('regions = ["14"]', "", "regions is missing"),
            ('regions = ["14"]', 'regions = ["14"]\ntopics = ["x"]', "unknown field topics"),
            ("[[provider]]", "[[providers]]", "unknown table 'providers'"),
            ("[[provider]]", "[[provider", "not TOML"),
        ],
    )
    def test_are_told_by_name(self, old: str, new: str, says: str) -> None:
        assert any(says in problem for problem in problems(ONE.replace(old, new)))

    def test_are_told_all_at_once(self) -> None:
        assert len(problems(ONE.replace('"grid-sx"', '"G"').replace('["14"]', '["x"]'))) == 2

    def test_include_a_code_given_twice(self) -> None:
        assert problems(ONE + ONE) == ["the code grid-sx is given twice"]

    def test_include_an_empty_directory(self) -> None:
        assert problems("") == ["no provider is listed"]


class TestTopicNames:
    def test_tell_domain_and_provider(self) -> None:
        assert domain_and_code("intake.energy.v1.grid-sx") == (Domain.ENERGY, "grid-sx")

    @pytest.mark.parametrize(
        "topic", ["intake.energy.v2.grid-sx", "bureau.energy.v1.grid-sx", "intake.weather.v1.grid-sx", "intake.energy.v1"]
    )
    def test_of_others_are_refused(self, topic: str) -> None:
        with pytest.raises(ValueError, match=r"topic|Domain|values"):
            domain_and_code(topic)

    def test_are_one_for_each_domain_of_a_providers_kinds(self) -> None:
        provider = Provider(
            code="p",
            name="",
            kinds=frozenset({Kind.FUEL_USE, Kind.ELECTRICITY_USE, Kind.OUTPUT}),
            region_prefixes=("14",),
            bases=frozenset(Basis),
        )
        assert provider.intake_topics() == ("intake.energy.v1.p", "intake.production.v1.p")


@pytest.mark.parametrize("code", [*access.SERVICES, access.DATABASE_OWNER, access.BROKER_ADMIN, access.BROKER_ITSELF, "owner"])
def test_a_code_that_is_a_principal_of_the_bureau_is_refused(code: str) -> None:
    assert code in RESERVED_CODES
    assert problems(ONE.replace("grid-sx", code)) == [f"provider 1 ({code}): code is reserved for the bureau itself"]
