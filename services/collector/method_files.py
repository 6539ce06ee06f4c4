"""Reads the method files of a folder and checks them as a whole, before anything is accounted by them.

A bad pack stops the start with file, line and reason: to go on with the others would leave a sector without its method unnoticed.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from services.collector import method_units
from services.collector.domain import pack_set, worked_example
from services.collector.domain.method import Constant
from services.collector.domain.pack_file import CONFIDENCES, read_pack, read_toml
from services.collector.domain.pack_set import LinkedPack

METHODS = Path(__file__).parent / "domain" / "methods"
WARMING_POTENTIALS_FILE = "warming_potentials.toml"


def load(folder: Path = METHODS) -> list[LinkedPack]:
    """Read, put together and check every method file of a folder.

    Raises:
        PackRefusedError: with file, line and reason.
    """
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.toml"))}
    return checked(texts)


def checked(texts: dict[str, str]) -> list[LinkedPack]:
    """Put together and check method files given by name."""
    potentials: dict[str, Sequence[Constant]] = {}
    if (text := texts.get(WARMING_POTENTIALS_FILE)) is not None:
        potentials = warming_potentials(text, file_name=WARMING_POTENTIALS_FILE)
    files = [read_pack(text, file_name=name) for name, text in texts.items() if name != WARMING_POTENTIALS_FILE]
    linked = pack_set.link(files, potentials)
    for one in linked:
        method_units.check_units(one)
        worked_example.check_examples(one)
    return linked


def warming_potentials(text: str, *, file_name: str) -> dict[str, Sequence[Constant]]:
    """Read the table of global warming potentials, by assessment report; each is a constant `gwp_<gas>` of the packs that name it."""
    found: dict[str, Sequence[Constant]] = {}
    top = read_toml(text, file_name=file_name)
    for report in top.tables("report"):
        name, source, confidence = report.text("name"), report.text("source"), report.text("confidence")
        if confidence not in CONFIDENCES:
            raise report.refused("confidence", f"{confidence!r} is none of {', '.join(CONFIDENCES)}")
        if name in found:
            raise report.refused("name", f"{name} is given twice")
        gases = report.table("tco2e_per_t")
        found[name] = [
            Constant(name=f"gwp_{gas.lower()}", value=Fraction(gases.amount(gas)), unit=f"tCO2e/t{gas}", source=f"{source} ({confidence})")
            for gas in gases.names()
        ]
        report.nothing_left()
    top.nothing_left()
    return found
