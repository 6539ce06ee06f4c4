"""Verifies a signed report offline, from its bytes and the published public keys alone, and names what is wrong by byte or claim.

Shares no code with composer and signer but the form of the published keys. Strict where libraries are kind: one algorithm, one
header form, canonical base64url, no duplicate members, no byte that is not covered. Every check that can be made is made, so that
a reader sees whether one byte or the whole is at fault.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import rfc8785

from services.reports import report_schema
from services.reports.published_keys import PublishedKey

REPORT_BYTES_MAX = 1024 * 1024
_SIGNATURE_BYTES = 64
_HEADER = {"alg": "EdDSA", "typ": "carbonbureau-report+jws"}
_PARTS = ("header", "payload", "signature")
_NOT_BASE64URL = re.compile(rb"[^A-Za-z0-9_-]")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Outcome(Enum):
    """How a check went; SKIPPED when what it looks at could not be read, or was not handed in."""

    PASSED = "ok"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check; `detail` names the bytes or the claim."""

    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All checks of one report. The rest is what was read, whether or not it may be believed."""

    checks: tuple[Check, ...]
    key_id: str | None
    content: bytes | None
    report: Mapping[str, Any] | None

    @property
    def passed(self) -> bool:
        """Tell whether the report may be believed: everything was checked and nothing failed."""
        return all(
            check.outcome is Outcome.PASSED or (check.outcome is Outcome.SKIPPED and check.name == "predecessor") for check in self.checks
        )

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)


class _FaultError(ValueError):
    """A check failed; the text is its detail."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One of the three parts: where it stands in the file, and what it holds once decoded."""

    start: int
    end: int
    value: bytes

    @property
    def range(self) -> str:
        return f"{self.start}–{self.end - 1}"


def verify(signed: bytes, keys: Mapping[str, PublishedKey], *, predecessor: bytes | None = None) -> Verification:
    """Make every check on `signed`; with the signed predecessor, the link to it as well. Never raises on bad input."""
    return _Verifier(signed=signed, keys=keys, predecessor=predecessor).run()


class _Verifier:
    """One verification: checks in order, each leaving what later ones need."""

    def __init__(self, *, signed: bytes, keys: Mapping[str, PublishedKey], predecessor: bytes | None) -> None:
        self._signed = signed
        self._keys = keys
        self._predecessor = predecessor
        self._parts: Sequence[_Part] | None = None
        self._header: Mapping[str, Any] | None = None
        self._key: PublishedKey | None = None
        self._report: Mapping[str, Any] | None = None
        self._well_formed = False

    def run(self) -> Verification:
        """Run all checks in order."""
        checks = tuple(self._checks())
        content = self._parts[1].value if self._parts else None
        key_id = self._key.key_id if self._key else None
        return Verification(checks=checks, key_id=key_id, content=content, report=self._report)

    def _checks(self) -> Iterator[Check]:
        for name, check in (
            ("structure", self._structure),
            ("header", self._header_form),
            ("key known", self._key_known),
            ("signature", self._signature),
            ("canonical payload", self._canonical),
            ("schema claims", self._claims),
            ("key valid", self._key_valid),
            ("profile", self._profile),
            ("predecessor", self._link),
        ):
            try:
                detail = check()
            except _FaultError as fault:
                yield Check(name=name, outcome=Outcome.FAILED, detail=str(fault))
            else:
                if detail is None:
                    yield Check(name=name, outcome=Outcome.SKIPPED, detail=self._why_skipped(name))
                else:
                    yield Check(name=name, outcome=Outcome.PASSED, detail=detail)

    def _why_skipped(self, name: str) -> str:
        if name == "predecessor" and self._well_formed and self._predecessor is None:
            before = self._report["revision"]["predecessor"] if self._report else None
            return (
                f"names revision {before['number']}, content {before['content_sha256']}; give it with --predecessor" if before else "none"
            )
        return "what it looks at could not be read"

    def _structure(self) -> str:
        if len(self._signed) > REPORT_BYTES_MAX:
            raise _FaultError(f"{len(self._signed)} bytes are more than the {REPORT_BYTES_MAX} of the largest report")
        texts = self._signed.split(b".")
        if len(texts) != len(_PARTS):
            raise _FaultError(f"bytes 0–{len(self._signed) - 1} hold {len(texts) - 1} dots; header, payload and signature are parted by 2")
        parts = []
        start = 0
        for name, text in zip(_PARTS, texts, strict=True):
            parts.append(_Part(start=start, end=start + len(text), value=_decoded(name, text, start)))
            start += len(text) + 1
        self._parts = parts
        return ", ".join(f"{name} bytes {part.range}" for name, part in zip(_PARTS, parts, strict=True))

    def _header_form(self) -> str | None:
        if self._parts is None:
            return None
        part = self._parts[0]
        try:
            header = _json(part.value)
        except _FaultError as fault:
            raise _FaultError(f"bytes {part.range}: {fault}") from fault
        if not isinstance(header, dict):
            raise _FaultError(f"bytes {part.range}: the header is not a JSON object")
        for name, wanted in _HEADER.items():
            if header.get(name) != wanted:
                raise _FaultError(f"bytes {part.range}: {name} is {header.get(name)!r}; only {wanted!r} is accepted")
        if not isinstance(header.get("kid"), str):
            raise _FaultError(f"bytes {part.range}: kid names no key")
        for name in sorted(header.keys() - {*_HEADER, "kid"}):
            raise _FaultError(f"bytes {part.range}: header member {name!r} is not accepted")
        self._header = header
        return f"alg {header['alg']}, typ {header['typ']}"

    def _key_known(self) -> str | None:
        if self._header is None:
            return None
        kid = self._header["kid"]
        if kid not in self._keys:
            raise _FaultError(f"kid {kid!r} is none of the {len(self._keys)} published keys")
        self._key = self._keys[kid]
        return f"kid {kid}"

    def _signature(self) -> str | None:
        if self._parts is None or self._key is None:
            return None
        header, payload, signature = self._parts
        if len(signature.value) != _SIGNATURE_BYTES:
            raise _FaultError(f"bytes {signature.range} hold {len(signature.value)} bytes; an Ed25519 signature has {_SIGNATURE_BYTES}")
        if not self._key.verifies(signature=signature.value, message=self._signed[: payload.end]):
            raise _FaultError(
                f"the signature in bytes {signature.range} is not that of key {self._key.key_id} over bytes 0–{payload.end - 1}: "
                f"header ({header.range}), payload ({payload.range}) or signature was altered"
            )
        return f"Ed25519 over bytes 0–{payload.end - 1}"

    def _canonical(self) -> str | None:
        if self._parts is None:
            return None
        content = self._parts[1].value
        report = _json(content)
        try:
            again = rfc8785.dumps(report)
        except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
            raise _FaultError(f"the payload has no canonical form: {error}") from error
        if not isinstance(report, dict):
            raise _FaultError("the payload is not a JSON object")
        self._report = report
        if again != content:
            at = next((index for index, (one, other) in enumerate(zip(again, content, strict=False)) if one != other), len(again))
            raise _FaultError(f"the payload is not in RFC 8785 form from its byte {at} on")
        return f"RFC 8785, {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}"

    def _claims(self) -> str | None:
        if self._report is None:
            return None
        if (problem := report_schema.problem_of(self._report)) is not None:
            raise _FaultError(f"claim {problem}")
        self._well_formed = True
        revision = self._report["revision"]["number"]
        return f"{self._report['schema']}, subject {self._report['subject']['code']}, revision {revision}"

    def _key_valid(self) -> str | None:
        if not self._well_formed or self._report is None or self._key is None:
            return None
        composed = self._report["composed_time"]
        interval = f"{self._key.not_before.isoformat()} to {self._key.expires_at.isoformat()}"
        if not self._key.valid_at(report_schema.instant_of(composed)):
            raise _FaultError(f"claim composed_time: {composed} is outside the validity of key {self._key.key_id}, {interval}")
        return f"composed {composed}, key valid {interval}"

    def _profile(self) -> str | None:
        if not self._well_formed or self._report is None or self._key is None:
            return None
        wanted = "sandbox" if self._key.sandbox else "production"
        if self._report["profile"] != wanted:
            raise _FaultError(f"claim profile: {self._report['profile']!r} under a {wanted} key")
        return wanted if wanted == "production" else "sandbox: this report binds nobody"

    def _link(self) -> str | None:
        if self._predecessor is None or not self._well_formed or self._report is None:
            return None
        named = self._report["revision"]["predecessor"]
        if named is None:
            raise _FaultError("claim revision.predecessor: this is a first revision, nothing comes before it")
        before = verify(self._predecessor, self._keys)
        if not before.passed or before.content is None or before.report is None:
            why = "; ".join(f"{check.name}: {check.detail}" for check in before.failures)
            raise _FaultError(f"the predecessor handed in does not verify itself: {why}")
        found = hashlib.sha256(before.content).hexdigest()
        if found != named["content_sha256"]:
            raise _FaultError(f"claim revision.predecessor.content_sha256: {named['content_sha256']}, but the file's content has {found}")
        if before.report["revision"]["number"] != named["number"]:
            raise _FaultError(
                f"claim revision.predecessor.number: {named['number']}, but the file is revision {before.report['revision']['number']}"
            )
        if before.report["subject"]["code"] != self._report["subject"]["code"]:
            return f"revision {named['number']}, then under code {before.report['subject']['code']}"
        return f"revision {named['number']}, content {found}"


def _decoded(name: str, text: bytes, start: int) -> bytes:
    """Decode one part. Each value has one encoding only, so that no byte can be changed unnoticed."""
    if not text:
        raise _FaultError(f"the {name} at byte {start} is empty")
    if (odd := _NOT_BASE64URL.search(text)) is not None:
        raise _FaultError(f"byte {start + odd.start()} ({name}) is 0x{odd.group()[0]:02x}, which base64url does not have")
    if len(text) % 4 == 1:
        raise _FaultError(f"the {name} in bytes {start}–{start + len(text) - 1} ends within a character group")
    unused_bits = {0: 0, 2: 4, 3: 2}[len(text) % 4]
    if _ALPHABET.index(text[-1]) & ((1 << unused_bits) - 1):
        raise _FaultError(f"byte {start + len(text) - 1} (last of the {name}) sets bits that belong to nothing: not canonical base64url")
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def _json(text: bytes) -> Any:
    """Read JSON as strictly as RFC 8785 needs it: UTF-8, no member twice, no fraction and no exponent."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise _FaultError(f"member {name!r} stands twice in one object")
            found[name] = value
        return found

    def refuse(number: str) -> Any:
        raise _FaultError(f"number {number} is not an integer; amounts are decimal strings")

    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=members, parse_float=refuse, parse_constant=refuse)
    except _FaultError:
        raise
    except UnicodeDecodeError as error:
        raise _FaultError(f"its byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _FaultError(f"not JSON at its character {error.pos}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise _FaultError(f"not readable JSON: {type(error).__name__}") from error
