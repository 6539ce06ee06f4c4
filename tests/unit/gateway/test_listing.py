"""Which page a call asks for, and who may see it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.caller import Caller, Role
from services.gateway.domain.inquiry import Reason
from services.gateway.domain.listing import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, ListCall, ListVerdict, Page, judge_listing, page_token
from tests.unit.gateway.examples import CHANGZHI, DATONG

ENTERPRISE = Caller(name="clerk 7", role=Role.ENTERPRISE, subject_code=CHANGZHI, token_id=None)
REVIEWER = Caller(name="reviewer 1", role=Role.REVIEWER, subject_code=None, token_id=None)


def judged(*, caller: Caller = ENTERPRISE, code: str = CHANGZHI, parent: str | None = None, size: int = 0, token: str = "") -> ListVerdict:
    parent = f"subjects/{code}" if parent is None else parent
    return judge_listing(caller=caller, call=ListCall(parent=parent, page_size=size, page_token=token))


class TestJudgeListing:
    def test_permits_a_first_page_of_the_caller_s_own(self) -> None:
        assert judged().page == Page(subject_code=CHANGZHI, size=PAGE_SIZE_DEFAULT, below=None)

    @pytest.mark.parametrize(
        "parent", ["", "subjects/", CHANGZHI, f"subjects/{CHANGZHI}/", f"subjects/{CHANGZHI}\n", "subjects/-", "subjects/1"]
    )
    def test_refuses_a_malformed_parent(self, parent: str) -> None:
        verdict = judged(parent=parent)
        assert (verdict.reason, verdict.field, verdict.page) == (Reason.NAME_MALFORMED, "parent", None)

    def test_refuses_another_s_code_before_it_looks_at_the_page(self) -> None:
        verdict = judged(code=DATONG, size=-1)
        assert (verdict.reason, verdict.page, verdict.subject_code) == (Reason.SUBJECT_NOT_PERMITTED, None, DATONG)

    @pytest.mark.parametrize(("asked", "given_"), [(0, PAGE_SIZE_DEFAULT), (1, 1), (100, 100), (2**31 - 1, PAGE_SIZE_MAX)])
    def test_bounds_the_page(self, asked: int, given_: int) -> None:
        page = judged(size=asked).page
        assert page is not None
        assert page.size == given_

    def test_refuses_a_negative_page(self) -> None:
        verdict = judged(size=-1)
        assert (verdict.reason, verdict.field) == (Reason.PAGE_MALFORMED, "page_size")


class TestPageToken:
    @given(st.integers(min_value=1, max_value=10**18 - 1))
    def test_leads_to_the_page_below_its_number(self, below: int) -> None:
        page = judged(token=page_token(caller=ENTERPRISE, subject_code=CHANGZHI, below=below)).page
        assert page is not None
        assert page.below == below

    def test_belongs_to_its_caller_and_its_list(self) -> None:
        token = page_token(caller=REVIEWER, subject_code=CHANGZHI, below=5)
        assert judged(caller=REVIEWER, token=token).reason is None
        assert judged(caller=REVIEWER, code=DATONG, token=token).reason is Reason.PAGE_MALFORMED
        assert judged(caller=ENTERPRISE, token=token).reason is Reason.PAGE_MALFORMED

    def test_of_another_number_is_none(self) -> None:
        plain = base64.urlsafe_b64decode(page_token(caller=ENTERPRISE, subject_code=CHANGZHI, below=5))
        forged = base64.urlsafe_b64encode(plain.replace(b"5.", b"6.", 1)).decode()
        assert judged(token=forged).reason is Reason.PAGE_MALFORMED

    @given(st.text(min_size=1))
    def test_that_we_never_gave_is_refused(self, token: str) -> None:
        verdict = judged(token=token)
        assert (verdict.reason, verdict.field) == (Reason.PAGE_MALFORMED, "page_token")
