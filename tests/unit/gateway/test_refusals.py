"""What callers are told."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from services.gateway.domain.inquiry import Reason
from services.gateway.refusals import freshness_metadata, refused


class TestRefused:
    @pytest.mark.parametrize("reason", Reason)
    def test_has_words_for_every_reason(self, reason: Reason) -> None:
        found = refused(reason, {"field": "name"})
        assert (found.reason, dict(found.metadata)) == (reason.value, {"field": "name"})
        assert found.message


class TestFreshnessMetadata:
    def test_writes_the_instant_in_utc(self) -> None:
        midnight = datetime(2028, 3, 1, tzinfo=timezone(timedelta(hours=8)))
        assert freshness_metadata(fresh_as_of=midnight, stale=False) == {
            "fresh_as_of_time": "2028-02-29T16:00:00.000000Z",
            "stale": "false",
        }

    def test_claims_no_instant_that_is_unknown(self) -> None:
        assert freshness_metadata(fresh_as_of=None, stale=True) == {"stale": "true"}
