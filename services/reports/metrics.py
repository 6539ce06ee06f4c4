"""Every metric of the reports service, named once: what it measures, in which unit, and what a person does about it."""

from services.common.metrics import Counter, Gauge

REVISIONS_COMPOSED = Counter("reports.revisions_composed", "{revision}", "New revisions stored.", "Compare with reports.revisions_issued.")
ASSESSMENTS_UNCHANGED = Counter(
    "reports.assessments_unchanged",
    "{assessment}",
    "Assessments without news.",
    "At zero: something moves with time alone.",
)
REVISIONS_ISSUED = Counter("reports.revisions_issued", "{revision}", "Revisions signed and told.", "Zero while tickets wait: read the log.")
SIGNATURES_REFUSED = Counter(
    "reports.signatures_refused",
    "{signature}",
    "Own signatures that did not verify, by the check that failed.",
    "Above zero is an alarm: key, clock or memory is at fault; nothing was issued.",
)
SIGNING_KEY_EXPIRES = Gauge(
    "reports.signing_key_expires", "s", "When the signing key expires, in seconds since 1970.", "Less than 30 days ahead: rotate the key."
)
