"""Holds the server's certificate and the authorities that certify subscribers, and takes changed files up without a restart.

gRPC keeps the old certificate without a word when new files are of no use, so they are checked here before they are handed over,
and the end of the certificate in use is a metric.
"""

import logging
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from services.common.clock import Clock
from services.gateway import metrics

_log = logging.getLogger(__name__)


class TlsError(Exception):
    """The files make no usable server identity; the text says why."""


class ServerTls:
    """The server's side of mTLS. gRPC asks `_changed` at every handshake, whoever polls calls `reload_if_changed`."""

    def __init__(self, *, certificate_file: Path, key_file: Path, client_ca_file: Path, clock: Clock) -> None:
        """Read the files. Raises `TlsError` when they cannot be used."""
        self._certificate_file = certificate_file
        self._key_file = key_file
        self._client_ca_file = client_ca_file
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._fingerprint()
        self._pending: grpc.ServerCertificateConfiguration | None = None
        self._initial = self._load()

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that demand a client certificate and follow the files."""
        changed: Any = self._changed  # may return None, which the type stubs do not know
        return grpc.dynamic_ssl_server_credentials(self._initial, changed, require_client_authentication=True)

    def reload_if_changed(self) -> bool:
        """Read the files again if one is not as it was; return whether the next handshake uses another certificate."""
        with self._lock:
            found = self._fingerprint()
            if found == self._seen:
                return False
            self._seen = found
            try:
                self._pending = self._load()
            except TlsError as error:
                metrics.TLS_RELOAD_FAILED.add(1)
                _log.error("the changed certificate files are not used: %s", error, extra={"event": "tls-refused"})
                return False
        _log.info("certificate files read again", extra={"event": "tls-read"})
        return True

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Give gRPC the configuration to change to, or None to go on as before. Called at every handshake, so only hands over."""
        with self._lock:
            pending, self._pending = self._pending, None
        return pending

    def _load(self) -> grpc.ServerCertificateConfiguration:
        try:
            chain, key, authorities = (path.read_bytes() for path in (self._certificate_file, self._key_file, self._client_ca_file))
        except OSError as error:
            raise TlsError(f"{error.filename}: {error.strerror}") from error
        try:
            certificate = x509.load_pem_x509_certificates(chain)[0]
            private = serialization.load_pem_private_key(key, password=None)
            authority_count = len(x509.load_pem_x509_certificates(authorities))
        except (ValueError, TypeError, IndexError) as error:
            raise TlsError(f"not PEM that can be read: {error}") from error
        if _public(private.public_key()) != _public(certificate.public_key()):
            raise TlsError(f"{self._key_file} is not the key of {self._certificate_file}")
        if certificate.not_valid_after_utc <= self._clock.now():
            raise TlsError(f"{self._certificate_file} ended {certificate.not_valid_after_utc.isoformat()}")
        metrics.TLS_NOT_AFTER.set(certificate.not_valid_after_utc.timestamp())
        _log.info(
            "server certificate",
            extra={"event": "tls-certificate", "not_after": _text(certificate.not_valid_after_utc), "authorities": authority_count},
        )
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authorities)

    def _fingerprint(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_fingerprint(path) for path in (self._certificate_file, self._key_file, self._client_ca_file))


def _public(key: object) -> bytes:
    assert hasattr(key, "public_bytes")
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
