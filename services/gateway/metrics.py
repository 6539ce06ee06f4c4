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
REVOCATION_RELOAD_FAILED = Counter(
    "gateway.revocation_reload_failed", "{reload}", "Changed revocation lists that are of no use.", "The old ones hold: read the log."
)
REVOCATION_NEXT_UPDATE = Gauge(
    "gateway.revocation_next_update",
    "s",
    "When the first revocation list in use runs out, in seconds since 1970.",
    "Less than a day ahead: fetch a new one; once past it production refuses every bank.",
)
INQUIRIES = Counter("gateway.inquiries", "{inquiry}", "Inquiries by method and outcome.", "INQUIRY_NOT_RECORDED: the database is away.")
PORTAL_INQUIRIES = Counter(
    "gateway.portal_inquiries",
    "{inquiry}",
    "Calls on the portal by method and outcome, those without a good token included.",
    "TOKEN_INVALID rising: the identity provider has changed its keys, or somebody tries; see the log.",
)
TOKEN_KEYS_RELOAD_FAILED = Counter(
    "gateway.token_keys_reload_failed", "{reload}", "Changed token keys that are of no use.", "The old ones hold: read the log."
)
INQUIRY_RECORD_DURATION = Histogram(
    "gateway.inquiry_record.duration", "s", "Time until an inquiry is durable.", "Above 50 ms: look at the disk under PostgreSQL."
)
FRESHNESS_LAG = Gauge(
    "gateway.freshness_lag", "s", "Age of the instant up to which answers are complete.", "Above 15 s: answers say stale; look at reports."
)
