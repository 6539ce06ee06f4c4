"""A provider directory is checked whole before anything is made of it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from deploy.local import access
from deploy.local.plan import PROVIDERS_FILE
from services.collector.directory_file import RESERVED_CODES, DirectoryRefusedError, parse_directory
from services.collector.domain.basis import Basis
from services.collector.domain.kinds import Domain, Kind
from services.collector.domain.provider import Provider, SignatureDuty, domain_and_code, intake_topics
from services.collector.domain.signature_key import SignatureKey
from services.collector.domain.terms import Department, Every, Expectation, Quota, Uncertainty

ONE = """
[[provider]]
code = "grid-sx"
name = "国网"
department = "POWER_UTILITY"
purpose = "test"
legal_basis = "test"
retention_years = 5
quota = { records_per_day = 1_000_000, bytes_per_second = 16_777_216, request_percentage = 200 }
kinds = ["ELECTRICITY_USE"]
bases = ["METERED", "INVOICED", "DECLARED", "VERIFIED"]
regions = ["14"]
"""
# The public key of RFC 8037, appendix A.2; its thumbprint is that of A.3.
X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
KEY = f"""
[[provider.keys]]
jwk = {{ kty = "OKP", crv = "Ed25519", x = "{X}" }}
valid_from = 2026-01-01T00:00:00+08:00
"""
SIGNED = ONE + 'signature = "required"\n' + KEY


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

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('"POWER_UTILITY"', '"电力"', "department: 电力 is none of DEVELOPMENT_AND_REFORM"),
            ('purpose = "test"', 'purpose = " "', "purpose is not a text"),
            ('purpose = "test"', 'purpose = "a\\nb"', "purpose is not one line"),
            ('purpose = "test"', "", "purpose is missing"),
            ('legal_basis = "test"', "", "legal_basis is missing"),
            ("retention_years = 5", "retention_years = 0", "retention_years is not a whole number from 1 to 50"),
            ("retention_years = 5", "retention_years = true", "retention_years is not a whole number"),
            ('["14"]', '["1"]', "1 is not known here"),
            ('["14"]', '["14", "1404"]', "1404 lies within 14"),
            ('["14"]', '["14", "14"]', "14 is given twice"),
            ("bytes_per_second = 16_777_216", "bytes_per_second = 0", "quota.bytes_per_second is not a whole number"),
            ("records_per_day = 1_000_000,", "", "quota.records_per_day is missing"),
            ("records_per_day", "rows = 1, records_per_day", "quota: unknown field rows"),
            ("quota = {", "quota = 5 # {", "quota is not a table"),
        ],
    )
    def test_of_the_terms_are_told_by_name(self, old: str, new: str, says: str) -> None:
        assert old in ONE
        assert any(says in problem for problem in problems(ONE.replace(old, new)))

    @pytest.mark.parametrize(
        ("more", "says"),
        [
            ('[provider.calendar]\nOUTPUT = { every = "month", due_days = 5 }', "calendar.OUTPUT: the provider may not report this kind"),
            ('[provider.calendar]\nPOWER = { every = "month", due_days = 5 }', "calendar: POWER is not known here"),
            ('[provider.calendar]\nELECTRICITY_USE = { every = "week", due_days = 5 }', "every is none of month, quarter, year"),
            ('[provider.calendar]\nELECTRICITY_USE = { every = "month", due_days = -1 }', "due_days is not a whole number from 0 to 730"),
            ('[provider.calendar]\nELECTRICITY_USE = { every = "month" }', "calendar.ELECTRICITY_USE.due_days is missing"),
            ('[provider.calendar]\nELECTRICITY_USE = "month"', "calendar.ELECTRICITY_USE is not a table"),
            ("calendar = 5", "calendar is not a table by kind"),
            (
                '[provider.standard_uncertainty]\nELECTRICITY_USE = { percent = 0.5, assumed = true, source = "x" }',
                "percent is not a decimal in quotes",
            ),
            (
                '[provider.standard_uncertainty]\nELECTRICITY_USE = { percent = "0", assumed = true, source = "x" }',
                "percent is not a decimal in quotes above 0",
            ),
            (
                '[provider.standard_uncertainty]\nELECTRICITY_USE = { percent = "1", assumed = "yes", source = "" }',
                "source is not a text",
            ),
            ('signature = "sometimes"', "signature is none of none, required"),
            ('signature = "required"', "signature is required, and no key is given"),
            ("keys = [1]", "keys is not a list of at most 50 tables"),
        ],
    )
    def test_of_what_may_be_left_out_are_told_by_name(self, more: str, says: str) -> None:
        assert any(says in problem for problem in problems(ONE + more))

    @pytest.mark.parametrize(
        ("key", "says"),
        [
            (KEY.replace("Ed25519", "Ed448"), "key 1: jwk is not of an Ed25519 key"),
            (KEY.replace(X, X[:-1]), "key 1: jwk.x is not 32 bytes in base64url"),
            (KEY.replace(X, X[:-1] + "p"), "key 1: jwk.x is not 32 bytes in base64url"),
            (KEY.replace('crv = "Ed25519"', 'crv = "Ed25519", d = "c2VjcmV0"'), "key 1: jwk holds the PRIVATE key"),
            (KEY.replace('crv = "Ed25519"', 'crv = "Ed25519", kid = "mine"'), "key 1: jwk.kid is not the thumbprint of the key, kPrK"),
            (KEY.replace("+08:00", ""), "key 1: valid_from is not an instant with its zone"),
            (KEY + "valid_until = 2025-01-01T00:00:00+08:00", "key 1: valid_until is not after valid_from"),
            (KEY + "until = 2027-01-01T00:00:00+08:00", "key 1: unknown field until"),
            (KEY + KEY, "key kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k is given twice"),
        ],
    )
    def test_of_keys_are_told_by_name(self, key: str, says: str) -> None:
        assert any(says in problem for problem in problems(ONE + key))

    def test_include_a_key_that_two_providers_share(self) -> None:
        both = ONE + KEY + ONE.replace("grid-sx", "heat-sx") + KEY
        assert problems(both) == ["key kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k is given to grid-sx and heat-sx: a key names one signer"]

    def test_are_told_all_at_once(self) -> None:
        assert len(problems(ONE.replace('"grid-sx"', '"G"').replace('["14"]', '["x"]'))) == 2

    def test_include_a_code_given_twice(self) -> None:
        assert problems(ONE + ONE) == ["the code grid-sx is given twice"]

    def test_include_an_empty_directory(self) -> None:
        assert problems("") == ["no provider is listed"]


class TestTerms:
    def test_are_read_as_they_stand(self) -> None:
        more = """
[provider.calendar]
ELECTRICITY_USE = { every = "quarter", due_days = 15 }

[provider.standard_uncertainty]
ELECTRICITY_USE = { percent = "0.5", assumed = false, source = "JJG 596" }
"""
        (entry,) = parse_directory(ONE + more)
        assert entry.terms.department is Department.POWER_UTILITY
        assert entry.terms.calendar == {Kind.ELECTRICITY_USE: Expectation(every=Every.QUARTER, due_days=15)}
        assert entry.terms.uncertainties == {Kind.ELECTRICITY_USE: Uncertainty(percent=Decimal("0.5"), assumed=False, source="JJG 596")}
        assert entry.terms.quota == Quota(records_per_day=1_000_000, bytes_per_second=16_777_216, request_percentage=200)

    def test_of_keys_carry_their_thumbprint(self) -> None:
        (entry,) = parse_directory(SIGNED)
        (key,) = entry.provider.keys
        assert (entry.provider.signature, key.key_id) == (SignatureDuty.REQUIRED, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")

    def test_of_the_sandbox_say_for_each_provider_what_for_and_how_long(self) -> None:
        for entry in parse_directory(PROVIDERS_FILE.read_text(encoding="utf-8")):
            assert entry.terms.purpose
            assert entry.terms.retention_years == 5
            assert all(one.assumed for one in entry.terms.uncertainties.values())


class TestTheCalendar:
    MONTHLY = Expectation(every=Every.MONTH, due_days=10)

    def months(self, expected: Expectation, since: str, by: str) -> list[str]:
        found = expected.periods(since=date.fromisoformat(since), by=date.fromisoformat(by), zone="Asia/Shanghai")
        return [f"{period.start}/{period.end}" for period in found]

    def test_expects_each_whole_period_once_its_days_are_over(self) -> None:
        assert self.months(self.MONTHLY, "2024-01-15", "2024-04-10") == ["2024-02-01/2024-03-01"]
        assert self.months(self.MONTHLY, "2024-01-15", "2024-04-11") == ["2024-02-01/2024-03-01", "2024-03-01/2024-04-01"]

    def test_knows_quarters_and_years_across_the_turn_of_the_year(self) -> None:
        quarterly, yearly = Expectation(every=Every.QUARTER, due_days=0), Expectation(every=Every.YEAR, due_days=90)
        assert self.months(quarterly, "2023-10-01", "2024-04-01") == ["2023-10-01/2024-01-01", "2024-01-01/2024-04-01"]
        assert self.months(yearly, "2023-01-01", "2024-03-30") == []
        assert self.months(yearly, "2023-01-01", "2024-03-31") == ["2023-01-01/2024-01-01"]

    def test_takes_what_comes_on_the_last_day_as_in_time(self) -> None:
        (february,) = self.MONTHLY.periods(since=date(2024, 2, 1), by=date(2024, 3, 31), zone="Asia/Shanghai")
        # The tenth day after the leap day.
        assert self.MONTHLY.due_on(february) == date(2024, 3, 10)


class TestAKey:
    KEY = SignatureKey(raw=bytes(32), valid_from=datetime(2026, 1, 1, tzinfo=UTC), valid_until=datetime(2027, 1, 1, tzinfo=UTC))

    @pytest.mark.parametrize(
        ("signed_at", "counts"),
        [("2025-12-31T23:59:59", False), ("2026-01-01T00:00:00", True), ("2026-12-31T23:59:59", True), ("2027-01-01T00:00:00", False)],
    )
    def test_signs_within_its_time_and_is_believed_for_ever_after(self, signed_at: str, counts: bool) -> None:
        received_at = datetime(2030, 1, 1, tzinfo=UTC)
        assert self.KEY.may_have_signed(signed_at=datetime.fromisoformat(signed_at).replace(tzinfo=UTC), received_at=received_at) is counts

    def test_that_was_stolen_counts_no_more_whatever_time_a_signature_says(self) -> None:
        stolen = replace(self.KEY, revoked_at=datetime(2026, 6, 1, tzinfo=UTC))
        signed_at = datetime(2026, 2, 1, tzinfo=UTC)
        assert stolen.may_have_signed(signed_at=signed_at, received_at=datetime(2026, 5, 31, tzinfo=UTC))
        assert not stolen.may_have_signed(signed_at=signed_at, received_at=datetime(2026, 6, 1, tzinfo=UTC))


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
