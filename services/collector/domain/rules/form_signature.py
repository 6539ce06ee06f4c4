"""The form rules about signatures. What the check found is in the context; a wrong signature rejects also where none is asked for."""

from services.collector.domain.finding import Severity
from services.collector.domain.provider import SignatureDuty
from services.collector.domain.rules.context import FormContext
from services.collector.domain.rules.rule import rule
from services.collector.domain.signature import SignatureState
from services.collector.domain.submission import Received

_SOURCE = "RFC 7515, appendix F; RFC 8037; provider directory"


def _detail(context: FormContext, state: SignatureState) -> str | None:
    return f"header jws: {context.signature.detail}" if context.signature.state is state else None


@rule(
    rule_id="FORM_SIGNATURE_MISSING",
    severity=Severity.SEVERE,
    rationale="Whose statements must bind it later signs them itself: the broker's log shows who sent, not who said so.",
    source="provider directory; 电子签名法 Art. 13",
    innocent_explanation="A second program of the provider sends by the same principal and does not sign yet.",
    what_to_do="Sign the value bytes and send the detached JWS in the header jws (docs/providers.md).",
)
def signature_missing(received: Received, context: FormContext) -> str | None:
    if context.signature.state is SignatureState.ABSENT and context.provider.signature is SignatureDuty.REQUIRED:
        return f"provider {context.provider.code} signs its records, and this one has no header jws"
    return None


@rule(
    rule_id="FORM_SIGNATURE_MALFORMED",
    severity=Severity.SEVERE,
    rationale="A signature that cannot be read proves nothing, and may hide that there was none.",
    source=_SOURCE,
    innocent_explanation="The payload was left in the JWS, or the library wrote another algorithm by default.",
    what_to_do="Write <protected header>..<signature> with alg EdDSA, kid and iat, in base64url without padding.",
)
def signature_malformed(received: Received, context: FormContext) -> str | None:
    return _detail(context, SignatureState.MALFORMED)


@rule(
    rule_id="FORM_SIGNATURE_KEY_UNKNOWN",
    severity=Severity.SEVERE,
    rationale="Only a key that the provider has registered speaks for it.",
    source=_SOURCE,
    innocent_explanation="A new key is used before it was added to the directory.",
    what_to_do="Have the key added to the provider's entry, then send the record again; kid is the RFC 7638 thumbprint.",
)
def signature_key_unknown(received: Received, context: FormContext) -> str | None:
    return _detail(context, SignatureState.KEY_UNKNOWN)


@rule(
    rule_id="FORM_SIGNATURE_TIME",
    severity=Severity.SEVERE,
    rationale="A retired key stays good for what was signed within its time, and for nothing else: its private part may be anywhere.",
    source="provider directory",
    innocent_explanation="The clock of the signing machine is wrong, or the program still holds the key before the last.",
    what_to_do="Set the clock, sign with the current key at the time of sending, and send the record again.",
)
def signature_not_in_time(received: Received, context: FormContext) -> str | None:
    return _detail(context, SignatureState.NOT_IN_TIME)


@rule(
    rule_id="FORM_SIGNATURE_WRONG",
    severity=Severity.SEVERE,
    rationale="What was signed is not what has come.",
    source=_SOURCE,
    innocent_explanation="The message was serialised twice, once to be signed and once to be sent: protobuf and JSON are not canonical.",
    what_to_do="Serialise once, sign those bytes and send those bytes.",
)
def signature_wrong(received: Received, context: FormContext) -> str | None:
    return _detail(context, SignatureState.WRONG)
