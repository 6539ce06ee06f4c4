"""Decides what is kept of that which came around the bytes of a record: as much as it takes to judge the record again."""

from dataclasses import dataclass

# A subject code has 18 characters; a longer key is wrong at any length.
_KEY_BYTES_MAX = 1024
# A detached signature has some 300 characters; what is longer is none, whole or cut.
_JWS_BYTES_MAX = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """Key, content type and signature of a record; `jws` is None when it had none."""

    record_key: bytes | None
    is_json: bool
    jws: bytes | None

    def bounded(self) -> "Envelope":
        """Give the envelope in a size that can be kept, judged in the same way."""
        return Envelope(
            record_key=self.record_key[:_KEY_BYTES_MAX] if self.record_key is not None else None,
            is_json=self.is_json,
            jws=self.jws[:_JWS_BYTES_MAX] if self.jws is not None else None,
        )
