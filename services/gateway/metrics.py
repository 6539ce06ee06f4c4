"""Every metric of the gateway, named once: what it measures, in which unit, and what a person does about it."""

from services.common.metrics import Counter, Gauge, Histogram

HANDSHAKES_REFUSED = Counter(
    "gateway.handshakes_refused",
    "{handshake}",
    "TLS handshakes that failed, by reason.",
    "CERTIFICATE_EXPIRED: tell the bank; see the log.",
)
TLS_NOT_AFTER = Gauge(
    "gateway.tls_not_after", "s", "When the server's certificate in use ends, in seconds since 1970.", "Less than 14 days ahead: renew it."
)
TLS_RELOAD_FAILED = Counter(
    "gateway.tls_reload_failed",
    "{reload}",
    "Changed certificate files that could not be used.",
    "The old one is still served: read the log.",
)
DIRECTORY_RELOAD_FAILED = Counter(
    "gateway.directory_reload_failed", "{reload}", "Changed subscriber files that are of no use.", "The old one holds: read the log."
)
EVENTS_REFUSED = Counter(
    "gateway.events_refused", "{event}", "Revisions that could not be taken.", "Above zero: look into refused_event; banks miss a revision."
)
INQUIRIES = Counter("gateway.inquiries", "{inquiry}", "Inquiries by method and outcome.", "INQUIRY_NOT_RECORDED: the database is away.")
INQUIRY_RECORD_DURATION = Histogram(
    "gateway.inquiry_record.duration", "s", "Time until an inquiry is durable.", "Above 50 ms: look at the disk under PostgreSQL."
)
FRESHNESS_LAG = Gauge(
    "gateway.freshness_lag", "s", "Age of the instant up to which answers are complete.", "Above 15 s: answers say stale; look at reports."
)
