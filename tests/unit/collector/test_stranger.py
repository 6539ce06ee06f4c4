"""A stranger adds a sector by writing one file: what the collector's README shows, done as it is written there."""

import re
from pathlib import Path

import pytest

import services.collector
from services.collector import method_files
from services.collector.__main__ import main
from services.collector.domain.pack_file import PackRefusedError
from services.collector.domain.posting import Treatment
from tests.unit.collector.submissions import electricity, entry, fuel, view_of

README = Path(services.collector.__file__).with_name("README.md").read_text(encoding="utf-8")
SECTION = README[README.index("**A stranger adds a sector by writing one file.**") :]
PACK = SECTION[SECTION.index("```toml\n") + len("```toml\n") : SECTION.index("\n```\n") + 1]
FACTOR = PACK[PACK.index("[[factor]]") : PACK.index("[[example]]")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the method files and write the documented one beside them."""
    for name, text in method_files.texts_of(method_files.METHODS).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "data_centres.toml").write_text(PACK, encoding="utf-8")
    return tmp_path


class TestAStranger:
    def test_gets_a_figure_for_the_sector(self, folder: Path) -> None:
        book = method_files.book({**method_files.shipped(), **method_files.texts_of(folder)})
        sent = [
            ("ndrc-sx", entry(industry="6450", city="140100")),
            ("grid-sx", electricity("5000")),
            ("ent-sx", fuel("3", fuel_code="diesel")),
        ]
        in_total = {line.energy_carrier: str(line.amount_tco2e) for line in view_of(sent, by=book).postings if line.in_total()}
        assert in_total == {"electricity": "3317.000000", "diesel": "9.435367"}
        market = [line for line in view_of(sent, by=book).postings if line.treatment is Treatment.MARKET_BASED]
        assert [str(line.amount_tco2e) for line in market] == ["3048.000000"]
        # Without the file there is no method for it.
        assert [line for line in view_of(sent).postings if line.in_total()] == []

    def test_is_told_file_line_and_reason_when_a_factor_is_missing(self, folder: Path) -> None:
        (folder / "data_centres.toml").write_text(PACK.replace(FACTOR, ""), encoding="utf-8")
        with pytest.raises(PackRefusedError) as refused:
            method_files.load(folder)
        line = PACK[: PACK.index("[[formula]]")].count("\n") + 1
        reason = "no factor of carbon_dioxide holds on 2023-01-01, within the validity of data-centres/1"
        said = f"data_centres.toml:{line}: formula fire_suppression: {reason}"
        assert str(refused.value) == said
        assert said in re.sub(r"\s+", " ", SECTION)


class TestCommands:
    def test_list_a_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["methods", "list", "--folder", str(folder)]) == 0
        listed = capsys.readouterr().out
        assert re.search(r"data-centres/1 +activity +provisional +2023-01-01…2028-01-01 +645 ", listed)
        assert re.search(r"coking/2014 +activity +national ", listed)

    def test_refuse_a_folder_with_a_faulty_file(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "data_centres.toml").write_text(PACK.replace(FACTOR, ""), encoding="utf-8")
        assert main(["methods", "list", "--folder", str(folder)]) == 1
        assert "a method file is refused: data_centres.toml:25: formula fire_suppression" in capsys.readouterr().err

    def test_explain_a_pack_with_sources_and_steps(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["methods", "explain", "coal-mining"]) == 0
        explained = capsys.readouterr().out
        assert "= ventilated * methane_density * gwp_ch4" in explained
        assert "balance mine_methane: its lines stand only where ventilated, drained are known" in explained
        assert "省级温室气体清单编制指南 (2011)" in explained
        assert "methane_ventilated ventilated: 300 * 7.17 * 28 = 60228.000 t" in explained

    def test_do_not_know_every_pack(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["methods", "explain", "peat"]) == 1
        assert "PACK_NOT_FOUND" in capsys.readouterr().err
