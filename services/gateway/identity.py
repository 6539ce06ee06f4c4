"""Reads who calls from the certificate that the handshake has accepted.

The parsed URI SANs count and nothing else: gRPC's own list mixes URIs with DNS names, and the common name may contradict both.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

# What the library raises for X.509 that it cannot read, some of it only when a part is asked for: not all is a ValueError.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_CERTIFICATES_MAX = 512


@dataclass(frozen=True, kw_only=True)
class Peer:
    """The caller's certificate, its URI SANs in their order, and the SHA-256 of its DER form."""

    certificate: x509.Certificate | None
    uris: tuple[str, ...]
    certificate_sha256: str | None
    address: str


def peer_of(context: grpc.ServicerContext) -> Peer:
    """Return the caller of a call; one whose certificate cannot be read has no URIs, and so no identity."""
    presented: Mapping[str, Any] = context.auth_context()
    found = presented.get("x509_pem_cert", ())
    certificate, uris, certificate_sha256 = _read(bytes(found[0])) if found else (None, (), None)
    return Peer(certificate=certificate, uris=uris, certificate_sha256=certificate_sha256, address=context.peer() or "")


@lru_cache(maxsize=_CERTIFICATES_MAX)
def _read(pem: bytes) -> tuple[x509.Certificate | None, tuple[str, ...], str | None]:
    """Parse a certificate, once for each: a bank calls thousands of times under one."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        uris = ()
    except UNREADABLE:
        return None, (), None
    return certificate, uris, hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
