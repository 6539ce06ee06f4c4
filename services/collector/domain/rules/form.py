"""The form rules but those about time: what a submission must be to be read. A record that breaks one is rejected, kept and answered.

A rule returns what is wrong, in a sentence that names the field, or None. It sees the record and the directory, never the
account: whether a figure is believable is plausibility's question, and plausibility never rejects.
"""

from services.collector.domain import subject_code
from services.collector.domain.finding import Severity
from services.collector.domain.quantity import AMOUNT_MAX
from services.collector.domain.rules.context import CONTRACT, NO_INNOCENT_EXPLANATION, FormContext, defects
from services.collector.domain.rules.rule import rule
from services.collector.domain.submission import (
    DOMAIN_OF_KIND,
    Flaw,
    FuelUse,
    Output,
    Received,
    RegistryEntry,
    ReportedEmissions,
    TransitionInvestment,
    TransitionPlan,
    Unit,
    shown,
)

RECORD_NUMBER_CHARACTERS_MAX = 64
FACILITY_NUMBER_CHARACTERS_MAX = 64
TEXT_CHARACTERS_MAX = 1_000
# Codes are keys of postings and topics of findings, they stand on every line of a statement; the longest in use has some 30 characters.
CODE_CHARACTERS_MAX = 64
CODE_FIELDS = frozenset({"fuel_code", "product_code", "technology_code", "energy_carrier", "process_route", "milestone_number", "standard"})
# A hundred corrections of one record are a fault of the sender; each revision is looked up by its number.
RECORD_REVISION_MAX = 100
LIST_ITEMS_MAX = 500

# ---- The subject ----


@rule(
    rule_id="FORM_CODE_MALFORMED",
    severity=Severity.SEVERE,
    rationale="Without a well-formed code nobody knows whom the record is about.",
    source="GB 32100-2015, 4",
    innocent_explanation="An old registration number (15 digits) or an organisation code was sent in place of the unified code.",
    what_to_do="Send the 18-character unified social credit code in capital letters.",
)
def code_malformed(received: Received, context: FormContext) -> str | None:
    if subject_code.is_well_formed(received.subject_code):
        return None
    return f"subject_code {shown(received.subject_code)!r} is not 18 characters of the alphabet of GB 32100-2015 with digits for the region"


@rule(
    rule_id="FORM_CODE_CHECK_CHARACTER",
    severity=Severity.SEVERE,
    rationale="The check character finds every single wrong character and every swap of two, which would name another subject.",
    source="GB 32100-2015, 4.6",
    innocent_explanation="A typing error, or O for 0 and I for 1 mended by hand.",
    what_to_do="Compare the code with the business licence and send the record again.",
)
def code_check_character(received: Received, context: FormContext) -> str | None:
    code = received.subject_code
    if not subject_code.is_well_formed(code) or subject_code.has_valid_check_character(code):
        return None
    return f"subject_code {code!r} ends in {code[-1]!r}, its other characters ask for {subject_code.check_character(code[:-1])!r}"


@rule(
    rule_id="FORM_KEY_NOT_SUBJECT",
    severity=Severity.SEVERE,
    rationale="The key orders the records of a subject; another key means that two programs disagree on whom the record is about.",
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
    source=CONTRACT,
    innocent_explanation="The record is of a kind that this bureau does not take yet.",
    what_to_do="Set exactly one of the contents of the contract.",
)
def no_content(received: Received, context: FormContext) -> str | None:
    return "no content of a known kind is set" if received.content is None else None


@rule(
    rule_id="FORM_RECORD_NUMBER",
    severity=Severity.SEVERE,
    rationale="The record number is how provider and bureau speak of a record, in receipts and in corrections.",
    source=CONTRACT,
    innocent_explanation=NO_INNOCENT_EXPLANATION,
    what_to_do=f"Give each record a number of 1 to {RECORD_NUMBER_CHARACTERS_MAX} printable characters, unique for its kind.",
)
def record_number(received: Received, context: FormContext) -> str | None:
    number = received.record_number
    if not number or number.isspace():
        return "record_number is missing"
    if len(number) > RECORD_NUMBER_CHARACTERS_MAX:
        return f"record_number has {len(number)} characters, at most {RECORD_NUMBER_CHARACTERS_MAX} are allowed"
    return None if number.isprintable() else f"record_number {shown(number)!r} has characters that cannot be printed"


@rule(
    rule_id="FORM_RECORD_REVISION",
    severity=Severity.SEVERE,
    rationale="Revisions replace each other in the order of their numbers; without a number there is no order.",
    source=CONTRACT,
    innocent_explanation="The sender counts revisions from 0.",
    what_to_do=f"Number the original 1 and its corrections 2, 3, … up to {RECORD_REVISION_MAX}.",
)
def record_revision(received: Received, context: FormContext) -> str | None:
    if 1 <= received.record_revision <= RECORD_REVISION_MAX:
        return None
    return f"record_revision is {received.record_revision}, not 1 to {RECORD_REVISION_MAX}"


@rule(
    rule_id="FORM_FACILITY_NUMBER",
    severity=Severity.SEVERE,
    rationale="The facility number decides on whose account a plant counts; it must be the same text everywhere.",
    source=CONTRACT,
    innocent_explanation="The name of the facility was sent in place of its number.",
    what_to_do=f"Send the province-wide number, at most {FACILITY_NUMBER_CHARACTERS_MAX} printable characters, or leave it empty.",
)
def facility_number(received: Received, context: FormContext) -> str | None:
    numbers = [received.facility_number]
    if isinstance(received.content, RegistryEntry):
        numbers += [facility.facility_number for facility in received.content.facilities]
        if any(not facility.facility_number for facility in received.content.facilities):
            return "a facility of the entry has no facility_number"
    for number in numbers:
        if len(number) > FACILITY_NUMBER_CHARACTERS_MAX or not number.isprintable() or number != number.strip():
            return f"facility_number {shown(number)!r} is too long, padded, or cannot be printed"
    return None


@rule(
    rule_id="FORM_TEXT",
    severity=Severity.SEVERE,
    rationale="Texts are stored, compared and shown; control characters and texts without end serve none of these.",
    source=CONTRACT,
    innocent_explanation="A line break or a tab was copied along with a name.",
    what_to_do=f"Send texts of at most {TEXT_CHARACTERS_MAX} printable characters, codes of at most {CODE_CHARACTERS_MAX}.",
)
def text(received: Received, context: FormContext) -> str | None:
    for field, value in received.texts:
        limit = CODE_CHARACTERS_MAX if field in CODE_FIELDS else TEXT_CHARACTERS_MAX
        if len(value) > limit:
            return f"{field} has {len(value)} characters, at most {limit} are allowed"
        if not value.isprintable():
            return f"{field} has characters that cannot be printed"
    return None


@rule(
    rule_id="FORM_LIST_TOO_LONG",
    severity=Severity.SEVERE,
    rationale="Every list has a limit, so that one record cannot hold up the others.",
    source="this bureau",
    innocent_explanation="The entry of a whole group was sent as that of one subject.",
    what_to_do=f"Send at most {LIST_ITEMS_MAX} facilities, targets or milestones in one record.",
)
def list_too_long(received: Received, context: FormContext) -> str | None:
    match received.content:
        case RegistryEntry(facilities=facilities):
            longest = len(facilities)
        case TransitionPlan(yearly_targets=targets, milestones=milestones):
            longest = max(len(targets), len(milestones))
        case _:
            return None
    return f"a list of {longest} items, at most {LIST_ITEMS_MAX} are allowed" if longest > LIST_ITEMS_MAX else None


@rule(
    rule_id="FORM_COMPILED_TIME",
    severity=Severity.SEVERE,
    rationale="A time that no calendar knows shows that the record was not written by a working program.",
    source="google.protobuf.Timestamp",
    innocent_explanation=NO_INNOCENT_EXPLANATION,
    what_to_do="Send the time at which the record was compiled, or leave it unset.",
)
def compiled_time(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.NOT_AN_INSTANT, "is not a time between the years 1 and 9999")


# ---- Amounts ----


@rule(
    rule_id="FORM_AMOUNT_MALFORMED",
    severity=Severity.SEVERE,
    rationale="Decimal strings say the same to every reader; exponents, signs of zero and separators do not.",
    source="this bureau, numbers and time (README, decisions)",
    innocent_explanation="The amount was written by a program that knows only floating point (1e308) or thousands separators (1,000).",
    what_to_do="Write the amount as digits with at most 15 before and 9 after a point, e.g. 1234.5.",
)
def amount_malformed(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.NOT_AN_AMOUNT, "is not a decimal string of at most 15 digits before and 9 after the point")


@rule(
    rule_id="FORM_AMOUNT_NEGATIVE",
    severity=Severity.SEVERE,
    rationale="Fuel burnt, electricity bought, output, emissions and money spent cannot be less than nothing.",
    source="GB/T 32150-2015, 3 (definitions of activity data)",
    innocent_explanation="A credit note or a meter running backwards was sent as a record of its own.",
    what_to_do="Send a correction of the record concerned that states the right amount.",
)
def amount_negative(received: Received, context: FormContext) -> str | None:
    for field, value in received.amounts:
        if value < 0:
            return f"{field} is negative"
    return None


@rule(
    rule_id="FORM_AMOUNT_TOO_LARGE",
    severity=Severity.SEVERE,
    rationale="An amount that no enterprise on earth reaches is a wrong unit, and would drown every total it enters.",
    source="this bureau: 10^12 of any unit, twenty times the world's yearly emissions in tonnes",
    innocent_explanation="Kilograms or kilowatt-hours were sent as tonnes or megawatt-hours of a very large subject.",
    what_to_do="Check the unit against the field's name and send the record again.",
)
def amount_too_large(received: Received, context: FormContext) -> str | None:
    for field, value in received.amounts:
        if value > AMOUNT_MAX:
            return f"{field} is above 10^12"
    return None


@rule(
    rule_id="FORM_QUANTITY_MISSING",
    severity=Severity.SEVERE,
    rationale="A quantity without its unit, or no quantity at all, states nothing.",
    source=CONTRACT,
    innocent_explanation="An empty period was meant to be reported: that is a quantity of 0.",
    what_to_do="Set the quantity in the unit of the fuel or product; at least one scope of reported emissions.",
)
def quantity_missing(received: Received, context: FormContext) -> str | None:
    match received.content:
        case FuelUse(unit=None):
            return "fuel_use has neither mass_t nor volume_ten_thousand_nm3"
        case Output(unit=None):
            return "output has neither mass_t nor electricity_mwh"
        case ReportedEmissions(scope1_tco2e=None, scope2_tco2e=None):
            return "reported_emissions has neither scope1_tco2e nor scope2_tco2e"
        case _:
            return None


@rule(
    rule_id="FORM_CODE_FIELD_MISSING",
    severity=Severity.SEVERE,
    rationale="Which fuel, product, technology or industry is meant decides how the record counts; it is never guessed.",
    source=CONTRACT,
    innocent_explanation=NO_INNOCENT_EXPLANATION,
    what_to_do="Fill in fuel_code, product_code, technology_code or industry_code.",
)
def code_field_missing(received: Received, context: FormContext) -> str | None:
    match received.content:
        case FuelUse(fuel_code=""):
            return "fuel_code is missing"
        case Output(product_code=""):
            return "product_code is missing"
        case TransitionInvestment(technology_code=""):
            return "technology_code is missing"
        case RegistryEntry(industry_code=""):
            return "industry_code is missing"
        case _:
            return None


@rule(
    rule_id="FORM_UNIT_OF_PRODUCT",
    severity=Severity.SEVERE,
    rationale="Electricity has no mass: the two quantities of the contract are not interchangeable.",
    source=CONTRACT,
    innocent_explanation="The wrong member of the quantity was filled in.",
    what_to_do="State electricity in electricity_mwh and every other product in mass_t.",
)
def unit_of_product(received: Received, context: FormContext) -> str | None:
    content = received.content
    if not isinstance(content, Output) or content.unit is None:
        return None
    if (content.product_code == "electricity") == (content.unit is Unit.MWH):
        return None
    return f"output of {shown(content.product_code)!r} is stated in {content.unit}"


@rule(
    rule_id="FORM_ENUMERATION",
    severity=Severity.SEVERE,
    rationale="A number that the contract does not name may mean something that this bureau would read wrongly.",
    source=CONTRACT,
    innocent_explanation="The sender uses a newer contract.",
    what_to_do="Use the values of the contract in force.",
)
def enumeration(received: Received, context: FormContext) -> str | None:
    return defects(received, Flaw.UNKNOWN_BASIS, "is no basis") or defects(received, Flaw.UNKNOWN_SIZE, "is no size class")
