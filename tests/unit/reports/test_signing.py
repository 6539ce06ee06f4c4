"""Keys: made once, kept closed, published, marked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.reports import published_keys, signing
from services.reports.published_keys import PublishedKey, PublishedKeysError, thumbprint
from services.reports.signing import SigningKeyError

NOW = datetime(2026, 11, 21, 10, 0, 0, 999999, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "keys" / "signing.pem", tmp_path / "published" / "keys.json"


def create(files: tuple[Path, Path], *, sandbox: bool = True, now: datetime = NOW) -> PublishedKey:
    return signing.create(key_file=files[0], published_file=files[1], sandbox=sandbox, now=now)


def load(files: tuple[Path, Path], *, production: bool = False) -> signing.Signer:
    return signing.load(key_file=files[0], published_file=files[1], production=production)


class TestCreate:
    def test_makes_a_key_that_only_its_owner_reads_and_publishes_its_public_part(self, files: tuple[Path, Path]) -> None:
        key = create(files)
        assert files[0].stat().st_mode & 0o777 == 0o600
        assert published_keys.read(files[1]) == {key.key_id: key}
        assert key.valid_at(NOW)
        assert key.sandbox

    def test_changes_nothing_when_it_is_done_again(self, files: tuple[Path, Path]) -> None:
        create(files)
        before = files[0].read_bytes(), files[1].read_bytes()
        create(files, now=NOW + timedelta(days=7), sandbox=False)
        assert (files[0].read_bytes(), files[1].read_bytes()) == before

    def test_publishes_a_key_that_a_crash_left_unpublished(self, files: tuple[Path, Path]) -> None:
        key = create(files)
        files[1].unlink()
        assert create(files).key_id == key.key_id
        assert key.key_id in published_keys.read(files[1])

    def test_keeps_earlier_keys_published(self, files: tuple[Path, Path], tmp_path: Path) -> None:
        old = create(files)
        new = create((tmp_path / "new.pem", files[1]), now=NOW + timedelta(days=300))
        assert set(published_keys.read(files[1])) == {old.key_id, new.key_id}

    def test_never_publishes_the_private_part(self, files: tuple[Path, Path]) -> None:
        create(files)
        private = serialization.load_pem_private_key(files[0].read_bytes(), password=None)
        assert isinstance(private, Ed25519PrivateKey)
        raw = private.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        assert published_keys._base64url(raw) not in files[1].read_text()


class TestLoad:
    def test_signs_the_same_bytes_the_same_way_every_time(self, files: tuple[Path, Path]) -> None:
        create(files)
        assert load(files).sign(b"{}") == load(files).sign(b"{}")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
    def test_refuses_a_key_that_others_can_open(self, files: tuple[Path, Path], mode: int) -> None:
        create(files)
        files[0].chmod(mode)
        with pytest.raises(SigningKeyError, match="open to group or others"):
            load(files)

    def test_refuses_a_sandbox_key_in_production(self, files: tuple[Path, Path]) -> None:
        create(files)
        with pytest.raises(SigningKeyError, match="sandbox key"):
            load(files, production=True)

    def test_takes_a_production_key_in_production(self, files: tuple[Path, Path]) -> None:
        create(files, sandbox=False)
        assert not load(files, production=True).published.sandbox

    def test_refuses_a_key_that_nobody_could_verify_with(self, files: tuple[Path, Path], tmp_path: Path) -> None:
        create(files)
        create((tmp_path / "other.pem", tmp_path / "other.json"))
        with pytest.raises(SigningKeyError, match="publish it"):
            load((tmp_path / "other.pem", files[1]))

    def test_refuses_another_kind_of_key(self, files: tuple[Path, Path]) -> None:
        create(files)
        other = ec.generate_private_key(ec.SECP256R1())
        files[0].write_bytes(
            other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        with pytest.raises(SigningKeyError, match="not an Ed25519 key"):
            load(files)

    def test_says_how_to_make_a_missing_key(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(SigningKeyError, match="keys create"):
            load(files)

    def test_shows_no_private_part_when_printed(self, files: tuple[Path, Path]) -> None:
        create(files)
        assert "OKPKey" not in repr(load(files))


class TestPublishedKeys:
    def test_name_a_key_by_the_thumbprint_of_rfc_8037(self) -> None:
        """RFC 8037, appendix A.2 and A.3."""
        raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        assert thumbprint(raw) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

    @pytest.mark.parametrize(
        ("member", "value", "why"),
        [
            ("kid", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "thumbprint"),
            ("kty", "EC", "not an Ed25519 key"),
            ("crv", "X25519", "not an Ed25519 key"),
            ("x", "AAAA", "32 bytes"),
            ("x", 5, "wrong type"),
            ("exp", None, "exp"),
            ("nbf", "2026", "nbf"),
            ("nbf", 2**32, "expires after"),
            ("sandbox", "no", "wrong type"),
            ("d", "AAAA", "PRIVATE"),
        ],
    )
    def test_refuse_an_entry_that_is_not_what_it_says(self, files: tuple[Path, Path], member: str, value: object, why: str) -> None:
        create(files)
        document = json.loads(files[1].read_text())
        document["keys"][0][member] = value
        with pytest.raises(PublishedKeysError, match=why):
            published_keys.parse(json.dumps(document).encode())

    @pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": 5}', b'{"keys": [5]}'])
    def test_refuse_what_is_no_jwk_set(self, text: bytes) -> None:
        with pytest.raises(PublishedKeysError):
            published_keys.parse(text)

    def test_refuse_the_same_key_twice(self, files: tuple[Path, Path]) -> None:
        create(files)
        document = json.loads(files[1].read_text())
        document["keys"] *= 2
        with pytest.raises(PublishedKeysError, match="twice"):
            published_keys.parse(json.dumps(document).encode())

    def test_hold_from_the_first_instant_up_to_the_last_but_not_at_it(self, files: tuple[Path, Path]) -> None:
        key = create(files)
        assert not key.valid_at(key.not_before - timedelta(microseconds=1))
        assert key.valid_at(key.not_before)
        assert key.valid_at(key.expires_at - timedelta(microseconds=1))
        assert not key.valid_at(key.expires_at)
