"""Verifies the tokens of the bureau's identity provider: JWS (RFC 7515) under the keys of one JWK set file, read again on change.

The key decides which algorithm counts, never the token: Ed25519 verifies EdDSA, P-256 ES256, RSA RS256, and nothing else anything. So
neither `none` nor an HMAC with a public key for its secret is ever tried. Keys that a token brings or points to (jwk, jku, x5u)
are not looked at. A changed file is taken as a whole or not at all; a key that left it verifies nothing from then on.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, GuestProtocol, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from services.gateway import metrics
from services.gateway.domain.caller import TokenFault
from services.gateway.domain.inquiry import Reason
from services.gateway.files import WatchedFiles

_log = logging.getLogger(__name__)

_ALGORITHMS = ("EdDSA", "ES256", "RS256")
# Of a JWT (RFC 7519) and of an access token (RFC 9068, section 2.1).
_TYPES = ("JWT", "at+jwt", "application/at+jwt")
_TOKEN_CHARACTERS_MAX = 4096
_RSA_BITS_MIN = 2048
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class TokenKeysError(Exception):
    """The keys cannot be used; the text says why."""


@dataclass(frozen=True, kw_only=True)
class _TokenKey:
    """A key of the identity provider and the one algorithm it verifies."""

    algorithm: str
    key: Key


class _Refused(Exception):
    """A token whose header names no key of ours, or not that key's algorithm; `part` says which."""

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


class _Registry(JWSRegistry):
    """The three algorithms, without the library's warning that EdDSA has got another name (RFC 9864): providers use this one."""

    def get_alg(self, name: str) -> Any:
        if name not in _ALGORITHMS:
            raise UnsupportedAlgorithmError("not one of ours")
        return self.algorithms[name]


class TokenKeys:
    """The keys as the file has them. `_keys` is replaced as a whole."""

    def __init__(self, path: Path, *, production: bool) -> None:
        """Read the file. Raises `TokenKeysError` when it cannot be used."""
        self._path, self._production = path, production
        self._file = WatchedFiles(path)
        self._keys = self._read()

    def claims_of(self, token: str) -> Mapping[str, Any] | TokenFault:
        """Return the claims of a token if a key of ours signed it; what they say is not looked at here."""
        keys = self._keys

        def key_of(signed: GuestProtocol) -> Key:
            header = signed.headers()
            found = keys.get(header.get("kid") or "")
            if found is None:
                raise _Refused("kid")
            if header["alg"] != found.algorithm:
                raise _Refused("alg")
            return found.key

        try:
            if len(token) > _TOKEN_CHARACTERS_MAX or not token.isascii():
                raise _Refused("form")
            verified = jwt.decode(token, key_of, registry=_Registry())
            if verified.header.get("typ", "JWT") not in _TYPES:
                raise _Refused("typ")
        except _Refused as refused:
            return _invalid(refused.part)
        except UnsupportedAlgorithmError:
            return _invalid("alg")
        except BadSignatureError:
            return _invalid("signature")
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            # Whatever a stranger's bytes do to a parser, they make no caller.
            return _invalid("form")
        return verified.claims

    def reload_if_changed(self) -> bool:
        """Read the file again if it is not as it was; return whether other keys hold now."""
        if not self._file.changed():
            return False
        try:
            self._keys = self._read()
        except TokenKeysError as error:
            if self._file.failed(error):
                metrics.TOKEN_KEYS_RELOAD_FAILED.add(1)
                _log.error("the changed token keys are not used: %s", error, extra={"event": "token-keys-refused"})
            return False
        _log.info("token keys read again", extra={"event": "token-keys-read", "keys": sorted(self._keys)})
        return True

    def _read(self) -> Mapping[str, _TokenKey]:
        try:
            document = json.loads(self._path.read_bytes())
        except OSError as error:
            raise TokenKeysError(f"{self._path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise TokenKeysError(f"{self._path}: not JSON") from error
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise TokenKeysError(f"{self._path}: not a JWK set")
        keys: dict[str, _TokenKey] = {}
        for entry in entries:
            kid, found = entry.get("kid"), _key_of(entry, production=self._production)
            if found is None:
                continue
            if not isinstance(kid, str) or not kid or kid in keys:
                raise TokenKeysError(f"{self._path}: each key needs a kid of its own")
            keys[kid] = found
        if not keys:
            raise TokenKeysError(f"{self._path}: no key for {', '.join(_ALGORITHMS)}")
        return keys


def _key_of(entry: dict[str, Any], *, production: bool) -> _TokenKey | None:
    """Read one key; None for one of another use or kind, which a set may hold (RFC 7517, section 5)."""
    if _PRIVATE_MEMBERS & entry.keys():
        raise TokenKeysError("a key is private or a shared secret: whoever reads the file can make tokens; retire it at once")
    if production and entry.get("sandbox"):
        raise TokenKeysError("a key is marked as the sandbox's; the production profile refuses it")
    if entry.get("use", "sig") != "sig":
        return None
    algorithm, kind = _kind_of(entry)
    if kind is None or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        key = kind.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenKeysError(f"a key cannot be read: {type(error).__name__}") from error
    if isinstance(key, RSAKey) and key.public_key.key_size < _RSA_BITS_MIN:
        raise TokenKeysError(f"an RSA key has fewer than {_RSA_BITS_MIN} bits")
    return _TokenKey(algorithm=algorithm, key=key)


def _kind_of(entry: Mapping[str, Any]) -> tuple[str, type[OKPKey] | type[ECKey] | type[RSAKey] | None]:
    match entry.get("kty"), entry.get("crv"):
        case "OKP", "Ed25519":
            return "EdDSA", OKPKey
        case "EC", "P-256":
            return "ES256", ECKey
        case "RSA", None:
            return "RS256", RSAKey
        case _:
            return "", None


def _invalid(part: str) -> TokenFault:
    return TokenFault(reason=Reason.TOKEN_INVALID, part=part)
