"""Checks the signature of a record: a detached JWS (RFC 7515, appendix F) with Ed25519 in the header `jws`, over the exact value bytes.

The payload is signed in base64url, as every JWS library does by itself. RFC 7797 (unencoded payload) was refused: it needs the
critical header b64, which many libraries lack, and saves a microsecond a record. The protected header holds `alg` (EdDSA, or Ed25519
by RFC 9864), `kid` (RFC 7638 thumbprint of a key in the provider's entry) and `iat`, when it was signed. A key that the header
itself brings (jwk, x5c, jku) is never looked at.
"""

import base64
import json
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from services.collector.domain.provider import Provider
from services.collector.domain.signature import ABSENT, SOUND, Signature, SignatureState, untimely
from services.collector.domain.signature_key import base64url
from services.collector.domain.submission import shown

HEADER = "jws"
_JWS_BYTES_MAX = 4096
_ALGORITHMS = ("EdDSA", "Ed25519")
_SIGNATURE_BYTES = 64
_SECONDS_MAX = 2**33
_KEYS_REMEMBERED = 1_000


class _MalformedError(ValueError):
    """The header is no detached JWS as it is agreed; the text says why."""


def examined(headers: Mapping[str, bytes], value: bytes | None, *, provider: Provider, received_at: datetime) -> Signature:
    """Check the signature of a record with the keys of its provider's entry; `received_at` is when the record came first."""
    # Almost no record is signed: nothing is done for one that is not.
    written = headers.get(HEADER)
    if written is None:
        return ABSENT
    try:
        protected, signature = _parts(written)
        header = _header(protected)
    except _MalformedError as error:
        return Signature(state=SignatureState.MALFORMED, detail=str(error))
    key = next((key for key in provider.keys if key.key_id == header["kid"]), None)
    if key is None:
        return Signature(state=SignatureState.KEY_UNKNOWN, detail=f"kid {shown(header['kid'])!r} is none of the {len(provider.keys)} keys")
    signed_at = datetime.fromtimestamp(header["iat"], UTC)
    if (problem := untimely(key, signed_at=signed_at, received_at=received_at)) is not None:
        return Signature(state=SignatureState.NOT_IN_TIME, detail=problem)
    signed = protected + b"." + base64url(value or b"").encode("ascii")
    if not _verification(header["alg"])(signed, signature, _key(key.x)):
        return Signature(
            state=SignatureState.WRONG, detail=f"the signature is not that of key {key.key_id} over the {len(value or b'')} bytes"
        )
    return SOUND


def _parts(written: bytes) -> tuple[bytes, bytes]:
    """Cut a detached JWS into its protected header as written and its signature."""
    if len(written) > _JWS_BYTES_MAX:
        raise _MalformedError(f"{len(written)} bytes are more than the {_JWS_BYTES_MAX} of the longest that is read")
    parts = written.split(b".")
    if len(parts) != 3:
        raise _MalformedError("it is not <header>..<signature>")
    protected, payload, signature = parts
    if payload:
        raise _MalformedError("it carries a payload: detach it, the value of the record is what is signed")
    raw = _decoded("signature", signature)
    if len(raw) != _SIGNATURE_BYTES:
        raise _MalformedError(f"the signature has {len(raw)} bytes, Ed25519 makes {_SIGNATURE_BYTES}")
    return protected, raw


def _header(protected: bytes) -> Mapping[str, Any]:
    """Read the protected header."""
    try:
        header = json.loads(_decoded("header", protected).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, _MalformedError) else _MalformedError("its header is not JSON") from error
    if not isinstance(header, dict):
        raise _MalformedError("its header is not a JSON object")
    if "crit" in header or "b64" in header:
        raise _MalformedError("its header asks for an extension (crit, b64): the payload is signed in base64url")
    if header.get("alg") not in _ALGORITHMS:
        raise _MalformedError(f"alg is neither {' nor '.join(_ALGORITHMS)}")
    if not isinstance(header.get("kid"), str):
        raise _MalformedError("kid names no key")
    iat = header.get("iat")
    if not isinstance(iat, int) or isinstance(iat, bool) or not 0 <= iat < _SECONDS_MAX:
        raise _MalformedError("iat, when it was signed, is not a whole number of seconds since 1970")
    return header


def _decoded(name: str, text: bytes) -> bytes:
    try:
        raw = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise _MalformedError(f"its {name} is not base64url") from error
    if base64url(raw).encode("ascii") != text:
        raise _MalformedError(f"its {name} is not base64url as it is written")
    return raw


@cache
def _verification(algorithm: str) -> Callable[[bytes, bytes, OKPKey], bool]:
    with warnings.catch_warnings():
        # joserfc asks for RFC 9864's name of the algorithm; stock libraries of providers know the older one.
        warnings.simplefilter("ignore", SecurityWarning)
        return JWSRegistry(algorithms=list(_ALGORITHMS)).get_alg(algorithm).verify


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _key(x: str) -> OKPKey:
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
