"""Whether a certificate still counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.domain.certificate import Revocation, certificate_fault
from services.gateway.domain.inquiry import Reason

NOT_AFTER = datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC)  # the last second of a leap day in Shanghai


def fault(*, revocation: Revocation = Revocation.GOOD, must_be_known: bool = True, now: datetime = NOT_AFTER) -> Reason | None:
    return certificate_fault(not_after=NOT_AFTER, now=now, revocation=revocation, must_be_known=must_be_known)


class TestCertificateFault:
    def test_a_certificate_counts_up_to_and_including_its_end(self) -> None:
        assert fault() is None
        assert fault(now=NOT_AFTER + timedelta(microseconds=1)) is Reason.CERTIFICATE_EXPIRED

    @pytest.mark.parametrize("must_be_known", [True, False])
    def test_a_revoked_one_counts_nowhere(self, must_be_known: bool) -> None:
        assert fault(revocation=Revocation.REVOKED, must_be_known=must_be_known) is Reason.CERTIFICATE_REVOKED

    def test_one_of_unknown_standing_counts_in_the_sandbox_only(self) -> None:
        assert fault(revocation=Revocation.UNKNOWN, must_be_known=True) is Reason.REVOCATION_UNKNOWN
        assert fault(revocation=Revocation.UNKNOWN, must_be_known=False) is None
