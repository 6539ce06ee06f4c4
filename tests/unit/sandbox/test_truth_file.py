"""The truth file holds everything a checker needs, and is there whole or not at all."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from services.sandbox import province, truth_file, wire
from services.sandbox.domain.planning import Order
from services.sandbox.domain.statements import Expected, Unreadable


@pytest.fixture
def written(tmp_path: Path) -> tuple[province.Province, Path]:
    made = province.plan_province(seed=2, subjects=12, months=36, order=Order.BY_TIME)
    path = tmp_path / "truth.jsonl"
    province.write_truth(made, path, seed=2, months=36, order=Order.BY_TIME)
    return made, path


class TestTruthFile:
    def test_is_the_same_bytes_for_the_same_seed(self, written: tuple[province.Province, Path], tmp_path: Path) -> None:
        made, path = written
        province.write_truth(made, tmp_path / "again.jsonl", seed=2, months=36, order=Order.BY_TIME)
        assert path.read_bytes() == (tmp_path / "again.jsonl").read_bytes()

    def test_has_a_line_for_every_subject_month_submission_and_falsification(self, written: tuple[province.Province, Path]) -> None:
        made, path = written
        counts = Counter(line["line"] for line in truth_file.read(path))
        assert counts["province"] == 1
        assert counts["subject"] == 12
        assert counts["activity"] == sum(len(plan.truth.activity) for plan in made.plans)
        assert counts["falsification"] == sum(plan.falsification is not None for plan in made.plans) == 2
        assert counts["submission"] == len(made.submissions)

    def test_pins_every_record_by_the_hash_of_its_bytes(self, written: tuple[province.Province, Path]) -> None:
        made, path = written
        records = truth_file.planned_records(path)
        assert [record.sha256 for record in records] == [hashlib.sha256(wire.message_bytes(one)).hexdigest() for one in made.submissions]
        assert {record.expected for record in records} == {expected.value for expected in Expected}
        assert all(
            (record.record_number == "") == isinstance(one.message, Unreadable)
            for record, one in zip(records, made.submissions, strict=True)
        )

    def test_names_the_subjects_without_the_wrong_codes_of_refused_records(self, written: tuple[province.Province, Path]) -> None:
        made, path = written
        assert set(truth_file.subject_codes(path)) == {plan.truth.subject.code for plan in made.plans}

    def test_leaves_the_old_file_when_writing_the_new_one_fails(self, tmp_path: Path) -> None:
        path = tmp_path / "truth.jsonl"
        truth_file.write(path, [{"line": "province"}])
        with pytest.raises(TypeError):
            truth_file.write(path, [{"line": "province", "value": object()}])
        assert json.loads(path.read_text()) == {"line": "province"}

    def test_refuses_a_file_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "other.jsonl").write_text('{"a": 1}\n')
        with pytest.raises(ValueError, match="no line of a truth file"):
            list(truth_file.read(tmp_path / "other.jsonl"))
