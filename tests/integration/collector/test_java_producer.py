"""The sample that providers start from is compiled, and what it sends by TLS is taken in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from carbonbureau.intake.v1 import submission_pb2 as intake
from cryptography.hazmat.primitives import serialization

from deploy.local import certificates, kafka_programs
from deploy.local.state import REPOSITORY
from services.collector.wire import submission
from tests.integration.collector.test_path import Running, running
from tests.integration.collector.test_providers import ENTRY, Directory, applied
from tests.unit.collector.signing import Signer, base64url, signer
from tests.unit.collector.submissions import CODE, days

__all__ = ["applied"]

pytestmark = [
    pytest.mark.skipif(shutil.which("mvn") is None, reason="Maven is not installed"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed"),
    pytest.mark.timeout(600),
]

SAMPLE = REPOSITORY / "deploy" / "samples" / "java-producer"
MAIN = "org.carbonbureau.sample.SampleProducer"


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Compile the sample as its reader would, into a folder of its own."""
    folder = tmp_path_factory.mktemp("java-producer") / "target"
    command = ["mvn", "--quiet", "--batch-mode", "--file", str(SAMPLE / "pom.xml"), "package", f"-Dbuild.dir={folder}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "WARNING" not in done.stdout, done.stdout
    return f"{folder}/carbonbureau-producer.jar:{folder}/lib/*"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The compiled sample, signed in as a provider of this test."""

    class_path: str
    applied: Directory
    folder: Path

    def settings(self, signed_by: Signer | None) -> Path:
        broker = self.applied.broker
        settings = {
            "bootstrap.servers": broker.cluster_of_providers.bootstrap_servers,
            "provider.code": self.applied.code("grid"),
            "password.file": str(self.applied.secrets_dir / f"{self.applied.code('grid')}.password"),
            "ca.file": str(certificates.authority_file(broker.state)),
        }
        if signed_by is not None:
            pem = signed_by.private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            (self.folder / "key.pem").write_bytes(pem)
            settings |= {"signing.key.file": str(self.folder / "key.pem"), "signing.key.x": base64url(signed_by.raw)}
        file = self.folder / "provider.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return file

    def send(self, record_number: str, *, signed_by: Signer | None = None) -> str:
        """Send one meter reading of January 2024 and give what the sample printed."""
        reading = (CODE, record_number, "2024-01-01", "2024-02-01", "1234.5")
        command = [kafka_programs.java(), "-cp", self.class_path, MAIN, str(self.settings(signed_by)), *reading]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def sample(class_path: str, applied: Directory, tmp_path: Path) -> Sample:
    return Sample(class_path=class_path, applied=applied, folder=tmp_path)


KEY = """
[[provider.keys]]
jwk = {{ kty = "OKP", crv = "Ed25519", x = "{x}" }}
valid_from = {valid_from}
"""


def apply(applied: Directory, *, key: Signer | None = None) -> None:
    entry = ENTRY.format(code=applied.code("grid"), kinds='"ELECTRICITY_USE"')
    if key is not None:
        since = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
        entry += 'signature = "required"\n' + KEY.format(x=base64url(key.raw), valid_from=since)
    applied.apply_text(entry)


@pytest.fixture
def path(applied: Directory) -> Iterator[Running]:
    apply(applied)
    with running(applied) as made:
        yield made


class TestTheJavaSample:
    def test_sends_a_record_that_is_accepted_and_again_is_a_duplicate(self, sample: Sample, path: Running) -> None:
        topic = f"intake.energy.v1.{sample.applied.code('grid')}"
        assert sample.send("J-1") == f"acknowledged {topic} 0 0"
        path.taken_in(1)
        path.settled()
        assert path.records()["accepted"] == 1
        (row,) = sample.applied.collector.rows("SELECT value, is_json FROM submission")
        sent = intake.Submission.FromString(row["value"])
        assert (sent.electricity_use.purchased_mwh, sent.period) == ("1234.5", days("2024-01-01", "2024-02-01"))
        assert submission(row["value"], is_json=row["is_json"]).defects == ()
        (receipt,) = [notice.receipt for notice in path.notices("grid", 1)]
        assert receipt.outcomes[0].record_number == "J-1"

    def test_signs_where_the_directory_asks_for_it(self, sample: Sample, path: Running) -> None:
        apply(sample.applied, key=signer())
        sample.send("J-1", signed_by=signer())
        sample.send("J-2", signed_by=signer(2))
        sample.send("J-3")
        path.taken_in(3)
        assert path.records() == {"accepted": 1, "duplicate": 0, "rejected": 2, "quarantined": 0}
        rules = sample.applied.collector.rows("SELECT rule_id FROM record_finding ORDER BY record_offset")
        assert [row["rule_id"] for row in rules] == ["FORM_SIGNATURE_KEY_UNKNOWN", "FORM_SIGNATURE_MISSING"]
