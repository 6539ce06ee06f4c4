"""What the claims of a token must say, and whom they speak for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.caller import LEEWAY, LIFETIME_MAX, Caller, Role, TokenFault, caller_of
from services.gateway.domain.inquiry import Reason
from tests.unit.gateway.examples import CHANGZHI, DATONG

NOW = datetime(2028, 2, 29, 16, tzinfo=UTC)  # midnight in Shanghai, after a leap day
SECONDS = int(NOW.timestamp())
ISSUER, AUDIENCE = "https://identity.example", "portal"


def read(*, without: str | None = None, now: datetime = NOW, **changes: Any) -> Caller | TokenFault:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "clerk 7",
        "iat": SECONDS,
        "exp": SECONDS + 600,
        "role": "enterprise",
        "subject_code": CHANGZHI,
        **changes,
    }
    return caller_of({name: value for name, value in claims.items() if name != without}, issuer=ISSUER, audience=AUDIENCE, now=now)


def part(found: Caller | TokenFault) -> str | None:
    assert isinstance(found, TokenFault), f"accepted: {found}"
    assert found.reason is Reason.TOKEN_INVALID
    return found.part


class TestCallerOf:
    def test_reads_an_enterprise_with_its_code(self) -> None:
        assert read(jti="1") == Caller(name="clerk 7", role=Role.ENTERPRISE, subject_code=CHANGZHI, token_id="1")

    @pytest.mark.parametrize("role", ["reviewer", "supervisor"])
    def test_gives_the_bureau_s_people_no_code_of_their_own(self, role: str) -> None:
        found = read(role=role)
        assert isinstance(found, Caller)
        assert (found.role.value, found.subject_code) == (role, None)

    @pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
    def test_takes_a_token_that_is_meant_for_us_among_others(self, audience: object) -> None:
        assert isinstance(read(aud=audience), Caller)

    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "role", "subject_code"])
    def test_needs_every_claim(self, name: str) -> None:
        assert part(read(without=name)) == name

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("iss", [ISSUER + "/", ISSUER.upper(), [ISSUER], None]),
            ("aud", ["other", [], ["other"], {AUDIENCE: 1}, AUDIENCE + "x", [[AUDIENCE]], None]),
            ("sub", ["", "x" * 201, "a\x00", 5, None]),
            ("jti", ["", "x" * 201, 5]),
            ("role", ["bank", "ENTERPRISE", "", None, ["reviewer"], {}]),
            ("subject_code", ["", CHANGZHI[:-1], CHANGZHI.lower(), 5, [CHANGZHI], None]),
            ("iat", [str(SECONDS), True, None, float("nan"), float("inf"), -1, 10**400, SECONDS + 31]),
            ("exp", [str(SECONDS + 600), True, None, float("nan"), float("inf"), 10**400, SECONDS, SECONDS + 12 * 3600 + 1]),
            ("nbf", [str(SECONDS), True, None, float("nan"), SECONDS + 31]),
        ],
    )
    def test_refuses_claims_that_say_anything_else(self, name: str, values: list[object]) -> None:
        assert [part(read(**{name: value})) for value in values] == [name] * len(values)

    def test_forgives_clocks_that_differ_a_little(self) -> None:
        end = NOW + timedelta(seconds=600)
        assert isinstance(read(now=NOW - LEEWAY, nbf=SECONDS), Caller)
        assert isinstance(read(now=end + LEEWAY - timedelta(microseconds=1)), Caller)
        assert read(now=end + LEEWAY) == TokenFault(reason=Reason.TOKEN_EXPIRED)

    def test_refuses_a_token_that_lives_too_long_to_be_lost(self) -> None:
        longest = SECONDS + int(LIFETIME_MAX.total_seconds())
        assert isinstance(read(exp=longest), Caller)
        assert part(read(exp=longest + 1)) == "exp"

    @given(
        st.dictionaries(st.sampled_from(["iss", "aud", "sub", "iat", "exp", "nbf", "role", "subject_code", "jti"]), st.from_type(object))
    )
    def test_never_raises_and_never_accepts_what_it_did_not_read(self, changes: dict[str, Any]) -> None:
        found = read(**changes)
        assert isinstance(found, Caller | TokenFault)


class TestMaySee:
    def test_lets_an_enterprise_see_its_own_code_only(self) -> None:
        enterprise = Caller(name="a", role=Role.ENTERPRISE, subject_code=CHANGZHI, token_id=None)
        assert enterprise.may_see(CHANGZHI)
        assert not enterprise.may_see(DATONG)

    @pytest.mark.parametrize("role", [Role.REVIEWER, Role.SUPERVISOR])
    def test_lets_the_bureau_s_people_see_any(self, role: Role) -> None:
        assert Caller(name="a", role=role, subject_code=None, token_id=None).may_see(DATONG)
