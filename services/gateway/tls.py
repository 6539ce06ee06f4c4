"""Holds the server's certificate and the authorities that certify subscribers, and takes changed files up without a restart.

gRPC keeps the old certificate without a word when new files are of no use, so they are checked here before they are handed over,
and the end of the certificate in use is a metric.
"""

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from services.common.clock import Clock
from services.gateway import metrics
from services.gateway.files import WatchedFiles
from services.gateway.identity import UNREADABLE

_log = logging.getLogger(__name__)


class TlsError(Exception):
    """The files make no usable server identity; the text says why."""


@dataclass(frozen=True, kw_only=True)
class _Identity:
    """The server's chain and key, and the authorities that certify subscribers, all PEM."""

    chain: bytes
    key: bytes = field(repr=False)
    authorities: bytes

    def configuration(self, *, clients: bool) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], root_certificates=self.authorities if clients else None)


class ServerTls:
    """The server's side of TLS, for each listener. gRPC asks at every handshake, whoever polls calls `reload_if_changed`."""

    def __init__(self, *, certificate_file: Path, key_file: Path, client_ca_file: Path, clock: Clock) -> None:
        """Read the files. Raises `TlsError` when they cannot be used."""
        self._certificate_file = certificate_file
        self._key_file = key_file
        self._client_ca_file = client_ca_file
        self._clock = clock
        self._lock = threading.Lock()
        self._files = WatchedFiles(certificate_file, key_file, client_ca_file)
        self._current = self._load()

    def credentials(self, *, clients: bool = True) -> grpc.ServerCredentials:
        """Return credentials that follow the files; with `clients` they demand a client certificate, without they ask for none."""
        taken = self._current

        def changed() -> grpc.ServerCertificateConfiguration | None:
            """Give gRPC the configuration to change to, or None to go on as before. Called at every handshake, so only hands over."""
            nonlocal taken
            with self._lock:
                if taken is self._current:
                    return None
                taken = self._current
            return taken.configuration(clients=clients)

        untyped: Any = changed  # may return None, which the type stubs do not know
        return grpc.dynamic_ssl_server_credentials(taken.configuration(clients=clients), untyped, require_client_authentication=clients)

    def reload_if_changed(self) -> bool:
        """Read the files again if one is not as it was; return whether the next handshake uses another certificate."""
        with self._lock:
            if not self._files.changed():
                return False
            try:
                self._current = self._load()
            except TlsError as error:
                if self._files.failed(error):
                    metrics.TLS_RELOAD_FAILED.add(1)
                    _log.error("the changed certificate files are not used: %s", error, extra={"event": "tls-refused"})
                return False
        _log.info("certificate files read again", extra={"event": "tls-read"})
        return True

    def _load(self) -> _Identity:
        try:
            chain, key, authorities = (path.read_bytes() for path in (self._certificate_file, self._key_file, self._client_ca_file))
        except OSError as error:
            raise TlsError(f"{error.filename}: {error.strerror}") from error
        try:
            certificate = x509.load_pem_x509_certificates(chain)[0]
            private = serialization.load_pem_private_key(key, password=None)
            authority_count = len(x509.load_pem_x509_certificates(authorities))
            belongs = _public(private.public_key()) == _public(certificate.public_key())
        except (*UNREADABLE, IndexError) as error:
            raise TlsError(f"not PEM that can be read: {error}") from error
        if not belongs:
            raise TlsError(f"{self._key_file} is not the key of {self._certificate_file}")
        if certificate.not_valid_before_utc > self._clock.now():
            raise TlsError(f"{self._certificate_file} is not valid before {certificate.not_valid_before_utc.isoformat()}")
        if certificate.not_valid_after_utc <= self._clock.now():
            raise TlsError(f"{self._certificate_file} ended {certificate.not_valid_after_utc.isoformat()}")
        metrics.TLS_NOT_AFTER.set(certificate.not_valid_after_utc.timestamp())
        _log.info(
            "server certificate",
            extra={"event": "tls-certificate", "not_after": _text(certificate.not_valid_after_utc), "authorities": authority_count},
        )
        return _Identity(chain=chain, key=key, authorities=authorities)


def _public(key: object) -> bytes:
    assert hasattr(key, "public_bytes")
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
