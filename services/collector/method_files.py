"""Reads the method files of a folder and checks them as a whole, before anything is accounted by them.

A bad pack stops the start with file, line and reason: to go on with the others would leave a sector without its method unnoticed.
"""

import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from services.collector import method_units
from services.collector.domain import pack_set, worked_example
from services.collector.domain.emissions import Book
from services.collector.domain.method import Constant, MethodKind
from services.collector.domain.pack_file import CONFIDENCES, read_pack, read_toml
from services.collector.domain.pack_set import LinkedPack

DOMAIN = Path(__file__).parent / "domain"
METHODS = DOMAIN / "methods"
WARMING_POTENTIALS_FILE = "warming_potentials.toml"
TECHNOLOGIES_FILE = "recognised_technologies.toml"


def shipped(domain: Path = DOMAIN) -> dict[str, str]:
    """Read the files that accounts are drawn up by, as they came with this program: text by file name."""
    return {**texts_of(domain / "methods"), TECHNOLOGIES_FILE: (domain / TECHNOLOGIES_FILE).read_text(encoding="utf-8")}


def content_sha256(texts: Mapping[str, str]) -> bytes:
    """Hash files with their names; each text carries its length, so that no two sets of files have one hash."""
    parts = [f"{len(name.encode())}:{name}{len(text.encode())}:{text}" for name, text in sorted(texts.items())]
    return sha256("".join(parts).encode()).digest()


def book(texts: Mapping[str, str]) -> Book:
    """Make of files what accounts are drawn up by.

    Raises:
        PackRefusedError: a method file cannot be used.
    """
    packs = [one.pack for one in checked(texts) if one.pack.kind is not MethodKind.LIBRARY]
    technologies = tomllib.loads(texts[TECHNOLOGIES_FILE])
    return Book(
        packs=tuple(packs),
        recognised_everywhere=frozenset(technologies["everywhere"]["technologies"]),
        recognised_by_industry={code: frozenset(one["technologies"]) for code, one in technologies["industry"].items()},
    )


def load(folder: Path = METHODS) -> list[LinkedPack]:
    """Read, put together and check every method file of a folder.

    Raises:
        PackRefusedError: with file, line and reason.
    """
    return checked(texts_of(folder))


def texts_of(folder: Path) -> dict[str, str]:
    """Read the files of a folder by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.toml"))}


def checked(texts: Mapping[str, str]) -> list[LinkedPack]:
    """Put together and check method files given by name."""
    potentials: dict[str, Sequence[Constant]] = {}
    if (text := texts.get(WARMING_POTENTIALS_FILE)) is not None:
        potentials = warming_potentials(text, file_name=WARMING_POTENTIALS_FILE)
    others = (WARMING_POTENTIALS_FILE, TECHNOLOGIES_FILE)
    files = [read_pack(text, file_name=name) for name, text in sorted(texts.items()) if name not in others]
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
