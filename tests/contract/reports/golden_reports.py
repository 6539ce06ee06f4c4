"""The golden signed reports: how they lie on disk, and the one way to add one.

`python -m tests.contract.reports.golden_reports add NAME EVENT.json [--after NAME]` composes and signs EVENT.json (the JSON mapping of
an AssessmentMade) with a key that is made for it and thrown away, and writes it into the manifest. Nothing is ever changed or
removed: a report that was issued once must verify for ever.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from carbonbureau.scoring.v1 import assessment_pb2
from google.protobuf import json_format

from services.reports import signing, wire
from services.reports.domain.report import Issuer, KeyProfile, compose
from services.reports.domain.revision import Place, Predecessor

FOLDER = Path(__file__).with_name("golden")
MANIFEST = FOLDER / "MANIFEST.json"
KEYS = FOLDER / "published-keys.json"


@dataclass(frozen=True, kw_only=True)
class Golden:
    """One golden report: what it was composed from, the signed bytes, and the name of the one before it in its chain."""

    name: str
    after: str | None
    event_file: Path
    report_file: Path
    event_sha256: str
    report_sha256: str

    def event(self) -> assessment_pb2.AssessmentMade:
        return json_format.Parse(self.event_file.read_text(encoding="utf-8"), assessment_pb2.AssessmentMade())


def all_golden() -> list[Golden]:
    """Give every golden report of the manifest, in the order in which they were added."""
    entries = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else []
    return [
        Golden(
            name=entry["name"],
            after=entry["after"],
            event_file=FOLDER / f"{entry['name']}.assessment-made.json",
            report_file=FOLDER / f"{entry['name']}.jws",
            event_sha256=entry["event_sha256"],
            report_sha256=entry["report_sha256"],
        )
        for entry in entries
    ]


def add(*, name: str, event_file: Path, after: str | None) -> None:
    """Add one golden report; refuse a name that is taken."""
    known = {golden.name: golden for golden in all_golden()}
    if name in known:
        raise SystemExit(f"{name} is there: golden reports are only added to")
    event_text = event_file.read_bytes()
    message = json_format.Parse(event_text, assessment_pb2.AssessmentMade())
    assessed = wire.assessed_subject(message.SerializeToString())
    place = Place(number=1, predecessor=None)
    if after is not None:
        content = _content(known[after].report_file.read_bytes())
        number = json.loads(content)["revision"]["number"]
        predecessor = Predecessor(number=number, content_sha256=hashlib.sha256(content).hexdigest())
        place = Place(number=number + 1, predecessor=predecessor)
    composed_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "thrown-away.pem"
        signing.create(key_file=key_file, published_file=KEYS, sandbox=True, now=composed_at, valid_days=1)
        signer = signing.load(key_file=key_file, published_file=KEYS, production=False)
        report = compose(
            assessed=assessed,
            place=place,
            issuer=Issuer(name="Carbon Credit Bureau", province="shanxi"),
            key_profile=KeyProfile.SANDBOX,
            composed_at=composed_at,
        )
        signed = signer.sign(wire.canonical(report))
    (FOLDER / f"{name}.assessment-made.json").write_bytes(event_text)
    (FOLDER / f"{name}.jws").write_bytes(signed)
    entries = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else []
    entries.append(
        {
            "name": name,
            "after": after,
            "event_sha256": hashlib.sha256(event_text).hexdigest(),
            "report_sha256": hashlib.sha256(signed).hexdigest(),
        }
    )
    MANIFEST.write_text(json.dumps(entries, indent=2) + "\n")


def _content(signed: bytes) -> bytes:
    text = signed.split(b".")[1]
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["add"])
    parser.add_argument("name")
    parser.add_argument("event_file", type=Path)
    parser.add_argument("--after", default=None)
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    add(name=arguments.name, event_file=arguments.event_file, after=arguments.after)
