"""Does what a model release asks for: keeps the artefact, points to it, and gives every assessment the model in use.

A model is opened outside any transaction, because the canary takes a second. Assessments pin the model they were made with, so it
does not matter that a process takes up a new pointer a moment late.
"""

import logging

from services.common.clock import Clock
from services.common.consumer import Recoverable
from services.common.database import Database
from services.common.settings import Profile
from services.scoring import artefact, metrics, store
from services.scoring.model import Model, ModelRefusedError, load

_log = logging.getLogger(__name__)


class NoModelError(Recoverable):
    """There is no usable model yet; whoever needs one tries again later."""


class CurrentModel:
    """The model in use, as this process has it. `refresh` in one thread, `get` from any."""

    def __init__(self, *, database: Database, clock: Clock, profile: Profile) -> None:
        self._database = database
        self._clock = clock
        self._profile = profile
        self._model: Model | None = None
        # Not tried again until the pointer moves: it would be refused again, a second of canary each time.
        self._refused: str | None = None

    def get(self) -> Model:
        """Return the model in use.

        Raises:
            NoModelError: none was released yet, or the one that was is refused.
        """
        if self._model is None:
            raise NoModelError("no model is in use: run `python -m services.scoring train`, or read the log for a refused one")
        return self._model

    @property
    def ready(self) -> bool:
        return self._model is not None

    def refresh(self) -> bool:
        """Take up the model that the pointer names. A refused one leaves the model before in use, and says so loudly.

        Returns:
            False: there is never more to do at once.
        """
        with self._database.transaction("model.read") as transaction:
            sha256 = store.current_model(transaction, at=self._clock.now())
            if sha256 is None or sha256 == self._refused or (self._model is not None and self._model.sha256 == sha256):
                return False
            content = store.artefact_of(transaction, sha256)
        try:
            self._model = load(content, sha256=sha256, profile=self._profile)
        except ModelRefusedError as error:
            self._refused = sha256
            metrics.MODELS_REFUSED.add(1, {"reason": error.reason})
            _log.error("model refused: %s", error, extra={"event": "model-refused", "model_sha256": sha256})
            return False
        self._refused = None
        _log.info("model in use: %s", self._model.version, extra={"event": "model-in-use", "model_sha256": sha256})
        return False


def release(*, database: Database, clock: Clock, content: bytes, profile: Profile) -> Model:
    """Release an artefact and put it to use from now on. Repeating it with the model in use changes nothing.

    Raises:
        ModelRefusedError: the loader would not take it; nothing is kept.
    """
    # 1. Open it exactly as serving will. (crash: nothing has happened)
    sha256 = artefact.sha256_of(content)
    model = load(content, sha256=sha256, profile=profile)
    now = clock.now()
    # 2. Keep the artefact and move the pointer together. (crash before commit: nothing has happened; after: it is in use)
    with database.transaction("release.save") as transaction:
        store.add_release(transaction, model_sha256=sha256, artefact=content, card=artefact.read(content).card, trained_at=now)
        if store.current_model(transaction, at=now) != sha256:
            store.point_to(transaction, model_sha256=sha256, valid_from=now)
    return model
