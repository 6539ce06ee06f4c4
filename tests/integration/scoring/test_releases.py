"""Model releases: kept by their hash, pointed to, taken up by running processes, refused ones left aside."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.common.settings import Profile
from services.scoring import artefact, store
from services.scoring.model import ModelRefusedError
from services.scoring.releases import CurrentModel, NoModelError, release
from tests.integration.scoring.conftest import Scoring


def released(scoring: Scoring, content: bytes) -> str:
    scoring.clock.at += timedelta(seconds=1)
    return release(database=scoring.database, clock=scoring.clock, content=content, profile=Profile.SANDBOX).sha256


def current(scoring: Scoring) -> CurrentModel:
    return CurrentModel(database=scoring.database, clock=scoring.clock, profile=Profile.SANDBOX)


class TestRelease:
    def test_repeats_without_a_second_release_or_pointer(self, scoring_without_model: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        for _ in range(2):
            released(scoring_without_model, artefacts[0])
        assert len(scoring_without_model.rows("SELECT * FROM model_release")) == 1
        assert len(scoring_without_model.rows("SELECT * FROM model_pointer")) == 1

    def test_rolls_back_by_pointer(self, scoring_without_model: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        models = current(scoring_without_model)
        used = []
        for content in (artefacts[0], artefacts[1], artefacts[0]):
            released(scoring_without_model, content)
            models.refresh()
            used.append(models.get().sha256)
        assert used[0] == used[2] != used[1]
        assert len(scoring_without_model.rows("SELECT * FROM model_release")) == 2
        assert len(scoring_without_model.rows("SELECT * FROM model_pointer")) == 3

    def test_keeps_nothing_that_the_loader_refuses(self, scoring_without_model: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        spoilt = artefact.write(replace(artefact.read(artefacts[0]), golden_vectors=()))
        with pytest.raises(ModelRefusedError):
            released(scoring_without_model, spoilt)
        assert scoring_without_model.rows("SELECT * FROM model_release") == []

    def test_cannot_be_stored_under_another_hash(self, scoring_without_model: Scoring) -> None:
        statement = "INSERT INTO model_release VALUES (repeat('0', 64), 'x', 'sandbox', '\\x00', '{}', now())"
        with pytest.raises(IntegrityError), scoring_without_model.database.transaction("test.change") as transaction:
            transaction.execute(text(statement))


class TestCurrentModel:
    def test_has_none_before_the_first_release(self, scoring_without_model: Scoring) -> None:
        models = current(scoring_without_model)
        models.refresh()
        assert not models.ready
        with pytest.raises(NoModelError):
            models.get()

    def test_keeps_the_model_before_when_the_next_is_refused(self, scoring: Scoring, artefacts: tuple[bytes, bytes]) -> None:
        models = current(scoring)
        models.refresh()
        before = models.get().sha256
        cut = artefact.read(artefacts[1])
        spoilt = artefact.write(replace(cut, model_text=cut.model_text[: len(cut.model_text) // 2]))
        sha256 = artefact.sha256_of(spoilt)
        scoring.clock.at += timedelta(seconds=1)
        with scoring.database.transaction("test.release") as transaction:
            store.add_release(transaction, model_sha256=sha256, artefact=spoilt, card=cut.card, trained_at=scoring.clock.now())
            store.point_to(transaction, model_sha256=sha256, valid_from=scoring.clock.now())
        models.refresh()
        models.refresh()
        assert models.get().sha256 == before
