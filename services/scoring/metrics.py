"""Every metric of the scoring service, named once: what it measures, in which unit, and what a person does about it."""

from services.common.metrics import Counter

ASSESSMENTS_MADE = Counter(
    "scoring.assessments_made",
    "{assessment}",
    "Assessments made, by outcome (rated, not_rated) and cause (account, wave, due).",
    "Zero while accounts are revised: see consumer.lag.",
)
ASSESSMENTS_UNCHANGED = Counter(
    "scoring.assessments_unchanged", "{subject}", "Re-assessments whose outcome was the same, so that none was made.", "Nothing to do."
)
MODELS_REFUSED = Counter(
    "scoring.models_refused",
    "{model}",
    "Released models that the loader refused, by reason.",
    "Above zero is an alarm: the model before stays in use; read the log, then point to a good release.",
)
