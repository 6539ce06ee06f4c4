"""The sandbox's certificates."""

import datetime

import pytest
from cryptography import x509

from deploy.local import certificates
from deploy.local.certificates import KeyPair


def read(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate_file.read_bytes())


def names(pair: KeyPair) -> x509.SubjectAlternativeName:
    return read(pair).extensions.get_extension_for_class(x509.SubjectAlternativeName).value


class TestSubscriber:
    def test_is_identified_by_exactly_one_uri(self, state):
        pair = certificates.subscriber(state, "bank-taihang")
        assert [name.value for name in names(pair)] == ["carbonbureau://subscriber/bank-taihang"]

    def test_is_signed_by_the_sandbox_authority(self, state):
        pair = certificates.subscriber(state, "bank-taihang")
        authority = x509.load_pem_x509_certificate(certificates.authority_file(state).read_bytes())
        read(pair).verify_directly_issued_by(authority)

    def test_keeps_its_certificate(self, state):
        before = certificates.subscriber(state, "bank-taihang").certificate_file.read_bytes()
        assert certificates.subscriber(state, "bank-taihang").certificate_file.read_bytes() == before

    def test_gets_a_new_one_near_the_end(self, state):
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3)
        certificates.issue(state, "subscriber-bank-taihang", uris=["carbonbureau://subscriber/bank-taihang"], not_after=soon)
        pair = certificates.subscriber(state, "bank-taihang")
        assert read(pair).not_valid_after_utc > soon + datetime.timedelta(days=300)

    @pytest.mark.parametrize("lost", ["authority.pem", "authority.key"])
    def test_gets_a_new_one_when_the_authority_was_lost(self, state, lost):
        old = read(certificates.subscriber(state, "bank-taihang"))
        (state.tls / lost).unlink()
        pair = certificates.subscriber(state, "bank-taihang")
        assert read(pair) != old
        read(pair).verify_directly_issued_by(x509.load_pem_x509_certificate(certificates.authority_file(state).read_bytes()))


class TestGateway:
    def test_serves_the_loopback_names(self, state):
        found = names(certificates.gateway(state))
        assert found.get_values_for_type(x509.DNSName) == ["localhost"]
        assert [str(address) for address in found.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


class TestRevocationList:
    def test_is_empty_and_signed_until_somebody_is_revoked(self, state):
        file = certificates.revocation_list_file(state)
        crl = x509.load_pem_x509_crl(file.read_bytes())
        assert crl.is_signature_valid(certificates.authority(state).key.public_key())
        assert len(crl) == 0
        before = file.read_bytes()
        assert certificates.revocation_list_file(state).read_bytes() == before
        stolen = [certificates.subscriber(state, code) for code in ("bank-taihang", "bank-other")]
        for pair in stolen:
            certificates.revoke(state, pair)
        crl = x509.load_pem_x509_crl(certificates.revocation_list_file(state).read_bytes())
        assert {entry.serial_number for entry in crl} == {read(pair).serial_number for pair in stolen}

    def test_is_made_again_near_its_end_and_forgets_nobody(self, state):
        pair = certificates.subscriber(state, "bank-taihang")
        certificates.revoke(state, pair)
        file, soon = certificates.revocation_list_file(state), datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3)
        entries = tuple(x509.load_pem_x509_crl(file.read_bytes()))
        file.write_bytes(certificates.revocation_list(certificates.authority(state), entries=entries, next_update=soon))
        crl = x509.load_pem_x509_crl(certificates.revocation_list_file(state).read_bytes())
        assert crl.next_update_utc > soon
        assert [entry.serial_number for entry in crl] == [read(pair).serial_number]

    def test_is_a_new_one_when_the_authority_was_lost(self, state):
        certificates.revocation_list_file(state)
        (state.tls / "authority.key").unlink()
        crl = x509.load_pem_x509_crl(certificates.revocation_list_file(state).read_bytes())
        assert crl.is_signature_valid(certificates.authority(state).key.public_key())


class TestIssue:
    def test_makes_the_odd_ones_that_tests_need(self, state):
        now = datetime.datetime.now(datetime.UTC)
        expired = certificates.issue(
            state,
            "expired",
            uris=["carbonbureau://subscriber/bank-taihang"],
            not_before=now - datetime.timedelta(days=2),
            not_after=now - datetime.timedelta(days=1),
        )
        assert read(expired).not_valid_after_utc < now
        double = certificates.issue(state, "double", uris=["carbonbureau://subscriber/a", "carbonbureau://subscriber/b"])
        assert len(names(double)) == 2
        bare = certificates.issue(state, "bare", uris=[])
        with pytest.raises(x509.ExtensionNotFound):
            names(bare)

    def test_keeps_every_private_key_from_others(self, state):
        certificates.subscriber(state, "bank-taihang")
        certificates.gateway(state)
        for key in state.tls.glob("*.key"):
            assert key.stat().st_mode & 0o077 == 0
            assert b"BEGIN PRIVATE KEY" in key.read_bytes()
