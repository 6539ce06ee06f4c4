"""Tries a method pack on a subject: what it would post beside what stands, without writing anything."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from services.collector import method_files
from services.collector.accounts import drawn_up
from services.collector.domain.emissions import Book
from services.collector.domain.method import ANY_INDUSTRY, MethodKind, MethodPack
from services.collector.domain.posting import Posting
from services.collector.domain.remark import Remark
from services.collector.method_releases import book_of
from services.collector.store import accounts as store
from services.collector.store import records
from services.common.database import Database
from services.common.errors import ErrorKind, Refused

# Facility, period, scope, treatment, category, carrier and gas: what two lines must share to be laid beside each other.
LineKey = tuple[UUID, str, str, int, str, int, str, str]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What stands and what would, by line; and what the pack could not post."""

    pack: MethodPack
    industry_code: str
    release_number: int
    stands: Mapping[LineKey, Decimal]
    would: Mapping[LineKey, Decimal]
    remarks: Sequence[Remark]


def try_pack(database: Database, files: Mapping[str, str], *, pack_code: str, code: str, province: str) -> Trial:
    """Draw up the account of a subject by its release, and again with one pack in the place of its method.

    The pack is used whatever the subject's industry, so that a method for a new sector can be tried before the sector is named in it.

    Raises:
        PackRefusedError: a method file cannot be used.
        Refused: `PACK_NOT_FOUND`, `SUBJECT_NOT_FOUND`, `NOTHING_KNOWN_THEN` when the subject has no account yet.
    """
    shipped = method_files.book(files)
    pack = found(shipped, pack_code)
    with database.transaction("methods.try") as transaction:
        subject_id = records.subject_ids(transaction, [code]).get(code)
        subject = store.subject_for_update(transaction, subject_id) if subject_id is not None else None
        if subject is None:
            raise Refused(ErrorKind.NOT_FOUND, "SUBJECT_NOT_FOUND", "no subject has this code")
        if subject.method_release is None:
            raise Refused(ErrorKind.NOT_FOUND, "NOTHING_KNOWN_THEN", "no revision of the account is sealed yet")
        standing = book_of(transaction, subject.method_release)
        now = drawn_up(transaction, subject, book=standing, province=province)
        then = drawn_up(transaction, subject, book=_with(standing, pack), province=province)
    return Trial(
        pack=pack,
        industry_code=now.profile.industry_code if now.profile is not None else "",
        release_number=subject.method_release,
        stands=_by_line(now.postings),
        would=_by_line(then.postings),
        remarks=then.remarks,
    )


def found(book: Book, pack_code: str) -> MethodPack:
    """Find a pack by `code` or `code/edition`.

    Raises:
        Refused: `PACK_NOT_FOUND`; several editions have this code, or none computes anything under it.
    """
    packs = [pack for pack in book.packs if pack_code in (pack.code, pack.method_code)]
    if len(packs) != 1:
        known = ", ".join(sorted(pack.method_code for pack in book.packs))
        raise Refused(ErrorKind.NOT_FOUND, "PACK_NOT_FOUND", f"{pack_code} names {len(packs)} packs; there are {known}")
    return packs[0]


def _with(book: Book, pack: MethodPack) -> Book:
    kind = pack.kind if pack.kind is MethodKind.VALUE_CHAIN else MethodKind.ACTIVITY
    others = tuple(one for one in book.packs if one.kind not in (kind, pack.kind))
    return replace(book, packs=(*others, replace(pack, industry_codes=(ANY_INDUSTRY,))))


def _by_line(postings: Sequence[Posting]) -> Mapping[LineKey, Decimal]:
    amounts: dict[LineKey, Decimal] = defaultdict(Decimal)
    for one in postings:
        period = (str(one.period.start), str(one.period.end))
        amounts[one.facility_id, *period, one.scope, one.treatment.value, one.category, one.energy_carrier, one.gas] += one.amount_tco2e
    return dict(amounts)
