"""The form rules but those about time: what a submission must be to be read. A record that breaks one is rejected, kept and answered.

A rule returns what is wrong, in a sentence that names the field, or None. It sees the record and the directory, never the
account: whether a figure is believable is plausibility's question, and plausibility never rejects. What the contract itself demands of
fields is found by protovalidate (contract_check.py) and arrives here as defects; each sort of defect has its rule.
"""

from services.collector.domain import subject_code
from services.collector.domain.basis import Unit
from services.collector.domain.contents.emissions import ReportedEmissions
from services.collector.domain.contents.production import Output
from services.collector.domain.finding import Severity
from services.collector.domain.kinds import DOMAIN_OF_KIND, Withdrawal
from services.collector.domain.rules.context import CONTRACT, NO_INNOCENT_EXPLANATION, FormContext, defects
from services.collector.domain.rules.rule import rule
from services.collector.domain.submission import Flaw, Received, shown

_RECORD_NUMBER = "record_number"
_RECORD_REVISION = "record_revision"
_FACILITY_NUMBER = "facility_number"
_UNIT_OF_PRODUCT = {"electricity": Unit.MWH, "heat": Unit.GJ}

# ---- The subject ----


@rule(
    rule_id="FORM_CODE_MALFORMED",
    severity=Severity.SEVERE,
    rationale="Without a well-formed code nobody knows whom the record is about.",
    possible_harm="Figures of one enterprise stand on nobody's account, or on that of another.",
    source="GB 32100-2015, 4",
    innocent_explanation="An old registration number (15 digits) or an organisation code was sent in place of the unified code.",
    what_to_do="Send the 18-character unified social credit code in capital letters.",
)
def code_malformed(received: Received, context: FormContext) -> str | None:
    if not received.subject_code:
        return "subject_code is missing"
    return defects(received, Flaw.NOT_A_CODE)


@rule(
    rule_id="FORM_CODE_CHECK_CHARACTER",
    severity=Severity.SEVERE,
    rationale="The check character finds every single wrong character and every swap of two, which would name another subject.",
    possible_harm="The figures land on another enterprise: its grade is wrong, and so is that of the one that was meant.",
    source="GB 32100-2015, 4.6",
    innocent_explanation="A typing error, or O for 0 and I for 1 mended by hand.",
    what_to_do="Compare the code with the business licence and send the record again.",
)
def code_check_character(received: Received, context: FormContext) -> str | None:
    for field, code in (("subject_code", received.subject_code), *received.codes):
        if subject_code.is_well_formed(code) and not subject_code.has_valid_check_character(code):
            return f"{field} {code!r} ends in {code[-1]!r}, its other characters ask for {subject_code.check_character(code[:-1])!r}"
    return None


@rule(
    rule_id="FORM_KEY_NOT_SUBJECT",
    severity=Severity.SEVERE,
    rationale="The key orders the records of a subject; another key means that two programs disagree on whom the record is about.",
    possible_harm="Two programs book one record on two enterprises; a correction overtakes its original.",
    source="this bureau, identity (README, decisions)",
    innocent_explanation="The key was taken from the previous record in a loop.",
    what_to_do="Use subject_code, in ASCII, as the record key.",
)
def key_not_subject(received: Received, context: FormContext) -> str | None:
    if context.record_key == received.subject_code:
        return None
    return "the record key is not the subject_code of the record"


# ---- The provider ----


@rule(
    rule_id="FORM_TOPIC_DOMAIN",
    severity=Severity.SEVERE,
    rationale="A topic carries one domain, so that rights, retention and readers can be given by domain.",
    possible_harm="Readers with a right to one domain see another; the record is kept longer or shorter than its purpose allows.",
    source=CONTRACT,
    innocent_explanation="The topic names were swapped in the sender's configuration.",
    what_to_do="Publish the record on the topic of its kind's domain.",
)
def topic_domain(received: Received, context: FormContext) -> str | None:
    if received.kind is None or DOMAIN_OF_KIND[received.kind] is context.topic_domain:
        return None
    return f"{received.kind} belongs to the domain {DOMAIN_OF_KIND[received.kind]}, the topic carries {context.topic_domain}"


@rule(
    rule_id="FORM_KIND_NOT_ENTITLED",
    severity=Severity.SEVERE,
    rationale="Enterprise information needs a lawful source: each provider reports what the directory entitles it to.",
    possible_harm="The subject is judged by information that nobody was allowed to give; the bureau breaks the law with it.",
    source="征信业管理条例 Art. 21; provider directory",
    innocent_explanation="A new kind is sent before the directory was changed.",
    what_to_do="Have the kind added to the provider's entry in the directory.",
)
def kind_not_entitled(received: Received, context: FormContext) -> str | None:
    if received.kind is None or context.provider.may_report(received.kind):
        return None
    return f"provider {context.provider.code} is not entitled to report {received.kind}"


@rule(
    rule_id="FORM_REGION_NOT_ENTITLED",
    severity=Severity.SEVERE,
    rationale="A provider's right ends at the regions of its directory entry.",
    possible_harm="An agency moves the grade of enterprises that are none of its business.",
    source="征信业管理条例 Art. 21; provider directory",
    innocent_explanation="The subject moved here but keeps the code of the authority that first registered it.",
    what_to_do="Have the region added to the provider's entry in the directory.",
)
def region_not_entitled(received: Received, context: FormContext) -> str | None:
    if not subject_code.is_well_formed(received.subject_code):
        return None
    region = subject_code.region(received.subject_code)
    if context.provider.may_report_on(region):
        return None
    return f"provider {context.provider.code} is not entitled to report on region {region}"


@rule(
    rule_id="FORM_BASIS_NOT_ENTITLED",
    severity=Severity.SEVERE,
    rationale="The basis decides which of several figures counts: who passes on declarations may not call them metered or verified.",
    possible_harm="A self-declaration wins over a meter, and a bank prices a loan by it.",
    source="provider directory",
    innocent_explanation="The form of the portal offers bases that are not the portal's to give.",
    what_to_do="Name the basis by which you know the figure, or have the basis added to the provider's entry in the directory.",
)
def basis_not_entitled(received: Received, context: FormContext) -> str | None:
    basis = getattr(received.content, "basis", None)
    if basis is None or basis in context.provider.bases:
        return None
    return f"provider {context.provider.code} is not entitled to call a figure {basis.name}"


# ---- The record ----


@rule(
    rule_id="FORM_NO_CONTENT",
    severity=Severity.SEVERE,
    rationale="A record without content states nothing.",
    possible_harm="A receipt would say that something was taken in, and nothing was.",
    source=CONTRACT,
    innocent_explanation="The record is of a kind that this bureau does not take yet.",
    what_to_do="Set exactly one of the contents of the contract.",
)
def no_content(received: Received, context: FormContext) -> str | None:
    return Flaw.NO_CONTENT.value if any(defect.flaw is Flaw.NO_CONTENT for defect in received.defects) else None


@rule(
    rule_id="FORM_RECORD_NUMBER",
    severity=Severity.SEVERE,
    rationale="The record number is how provider and bureau speak of a record, in receipts and in corrections.",
    possible_harm="A wrong figure can neither be named nor corrected; it stays on the account.",
    source=CONTRACT,
    innocent_explanation=NO_INNOCENT_EXPLANATION,
    what_to_do="Give each record a number of 1 to 64 printable characters, unique for its kind, without blanks at either end.",
)
def record_number(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.MISSING, Flaw.NOT_A_NUMBER, only=_RECORD_NUMBER)


@rule(
    rule_id="FORM_RECORD_REVISION",
    severity=Severity.SEVERE,
    rationale="Revisions replace each other in the order of their numbers; without a number there is no order.",
    possible_harm="An older figure takes the place of a newer one.",
    source=CONTRACT,
    innocent_explanation="The sender counts revisions from 0.",
    what_to_do="Number the original 1 and its corrections 2, 3, … up to 100.",
)
def record_revision(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.OUT_OF_RANGE, only=_RECORD_REVISION)


@rule(
    rule_id="FORM_WITHDRAWAL_KIND",
    severity=Severity.SEVERE,
    rationale="A withdrawal names the record that it takes back by kind and number.",
    possible_harm="The record that should go stays, or another one goes.",
    source=CONTRACT,
    innocent_explanation="The kind was written as in the JSON mapping (fuelUse) in place of its name (FUEL_USE).",
    what_to_do="Name the kind of the record withdrawn, in capitals with underscores.",
)
def withdrawal_kind(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.UNKNOWN_KIND)


@rule(
    rule_id="FORM_WITHDRAWAL_OF_NOTHING",
    severity=Severity.SEVERE,
    rationale="A withdrawal replaces a revision; as revision 1 it would have nothing to take back.",
    possible_harm="The provider believes that a record is gone which still counts.",
    source=CONTRACT,
    innocent_explanation="The withdrawal was numbered as a record of its own.",
    what_to_do="Give the withdrawal the record_number of the record and the revision after its newest one.",
)
def withdrawal_of_nothing(received: Received, context: FormContext) -> str | None:
    if not isinstance(received.content, Withdrawal) or received.record_revision != 1:
        return None
    return "the withdrawal is revision 1: there is no revision before it to take back"


@rule(
    rule_id="FORM_FACILITY_NUMBER",
    severity=Severity.SEVERE,
    rationale="The facility number decides on whose account a plant counts; it must be the same text everywhere.",
    possible_harm="A plant counts on two accounts or on none.",
    source=CONTRACT,
    innocent_explanation="The name of the facility was sent in place of its number.",
    what_to_do="Send the province-wide number, at most 64 printable characters; outside of lists empty means the only facility.",
)
def facility_number(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.MISSING, Flaw.NOT_A_NUMBER, only=_FACILITY_NUMBER)


@rule(
    rule_id="FORM_TEXT",
    severity=Severity.SEVERE,
    rationale="Texts are stored, compared and shown; control characters and texts without end serve none of these.",
    possible_harm="A name or code that shows differently from what it is misleads the reader of a report.",
    source=CONTRACT,
    innocent_explanation="A line break or a tab was copied along with a name.",
    what_to_do="Send texts of at most 1,000 printable characters, codes and numbers of at most 64.",
)
def text(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.NOT_A_TEXT, Flaw.NOT_A_NUMBER, but=(_RECORD_NUMBER, _FACILITY_NUMBER))


@rule(
    rule_id="FORM_LIST_TOO_LONG",
    severity=Severity.SEVERE,
    rationale="Every list has a limit, so that one record cannot hold up the others.",
    possible_harm="The plants of a group count on one subject; other providers' records wait behind the one record.",
    source="this bureau",
    innocent_explanation="The entry of a whole group was sent as that of one subject.",
    what_to_do="Send at most as many items as the contract allows: 500 facilities, targets or milestones, 800 hours.",
)
def list_too_long(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.LIST_TOO_LONG)


@rule(
    rule_id="FORM_FIELD_MISSING",
    severity=Severity.SEVERE,
    rationale="What a record is about, and how much of it, is stated and never guessed.",
    possible_harm="The gap would be filled with a guess, which stands on the account like a fact.",
    source=CONTRACT,
    innocent_explanation="The sender's form leaves a field empty that this bureau needs.",
    what_to_do="Fill in the field; an amount of nothing is 0.",
)
def field_missing(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.MISSING, but=("subject_code", _RECORD_NUMBER, _FACILITY_NUMBER))


@rule(
    rule_id="FORM_OUT_OF_RANGE",
    severity=Severity.SEVERE,
    rationale="A year before any scheme, or the 25th hour of a day, is a field gone wrong.",
    possible_harm="A target, an obligation or an hour counts for a year or a day that nobody meant.",
    source=CONTRACT,
    innocent_explanation="A year was written with two digits; hours were counted from 1.",
    what_to_do="Send years from 1990 to 2100, hours from 0 to 23, and counts within the contract's limits.",
)
def out_of_range(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.OUT_OF_RANGE, but=(_RECORD_REVISION,))


# ---- Amounts ----


@rule(
    rule_id="FORM_AMOUNT_MALFORMED",
    severity=Severity.SEVERE,
    rationale="Decimal strings say the same to every reader; exponents, signs of zero and separators do not.",
    possible_harm="1,5 is read as 15 or as 1.5: emissions wrong by a factor of ten.",
    source="this bureau, numbers and time (README, decisions)",
    innocent_explanation="The amount was written by a program that knows only floating point (1e308) or thousands separators (1,000).",
    what_to_do="Write the amount as digits with at most 9 after a point, e.g. 1234.5.",
)
def amount_malformed(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.NOT_AN_AMOUNT)


@rule(
    rule_id="FORM_AMOUNT_NEGATIVE",
    severity=Severity.SEVERE,
    rationale="Fuel burnt, electricity bought, output, emissions and money spent cannot be less than nothing.",
    possible_harm="Emissions of one month cancel those of another; the subject looks cleaner than it is.",
    source="GB/T 32150-2015, 3 (definitions of activity data)",
    innocent_explanation="A credit note or a meter running backwards was sent as a record of its own.",
    what_to_do="Send a correction of the record concerned that states the right amount.",
)
def amount_negative(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.NEGATIVE)


@rule(
    rule_id="FORM_AMOUNT_TOO_LARGE",
    severity=Severity.SEVERE,
    rationale="An amount that no enterprise on earth reaches is a wrong unit, and would drown every total it enters.",
    possible_harm="One line drowns the totals of the subject and of its peer group.",
    source="this bureau: 10^12 of any unit, twenty times the world's yearly emissions in tonnes",
    innocent_explanation="Kilograms or kilowatt-hours were sent as tonnes or megawatt-hours of a very large subject.",
    what_to_do="Check the unit against the field's name and send the record again.",
)
def amount_too_large(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.TOO_LARGE)


@rule(
    rule_id="FORM_QUANTITY_MISSING",
    severity=Severity.SEVERE,
    rationale="A quantity without its unit, or no quantity at all, states nothing.",
    possible_harm="A month counts as reported though nothing was.",
    source=CONTRACT,
    innocent_explanation="An empty period was meant to be reported: that is a quantity of 0.",
    what_to_do="Set the quantity in the unit of the fuel or product; at least one scope of reported emissions.",
)
def quantity_missing(received: Received, context: FormContext) -> str | None:
    match received.content:
        case ReportedEmissions(scope1_tco2e=None, scope2_tco2e=None):
            return "reported_emissions has neither scope1_tco2e nor scope2_tco2e"
        case _:
            return defects(received, Flaw.NO_QUANTITY)


@rule(
    rule_id="FORM_UNIT_OF_PRODUCT",
    severity=Severity.SEVERE,
    rationale="Electricity has no mass and heat no volume: the quantities of the contract are not interchangeable.",
    possible_harm="Intensity is computed per tonne of electricity: the grade means nothing.",
    source=CONTRACT,
    innocent_explanation="The wrong member of the quantity was filled in.",
    what_to_do="State electricity in electricity_mwh, heat in heat_gj, gases in volume_ten_thousand_nm3 and every other product in mass_t.",
)
def unit_of_product(received: Received, context: FormContext) -> str | None:
    content = received.content
    if not isinstance(content, Output):
        return None
    expected = _UNIT_OF_PRODUCT.get(content.product_code)
    if content.unit is expected or (expected is None and content.unit in (Unit.TONNE, Unit.TEN_THOUSAND_NM3)):
        return None
    return f"output of {shown(content.product_code)!r} is stated in {content.unit}"


@rule(
    rule_id="FORM_ENUMERATION",
    severity=Severity.SEVERE,
    rationale="A number that the contract does not name may mean something that this bureau would read wrongly.",
    possible_harm="A state or ground that we read wrongly turns a warning into a release, or the reverse.",
    source=CONTRACT,
    innocent_explanation="The sender uses a newer contract.",
    what_to_do="Use the values of the contract in force.",
)
def enumeration(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.UNKNOWN_ENUMERATION)
