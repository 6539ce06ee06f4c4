"""Decides whether 18 characters are a unified social credit code (统一社会信用代码, GB 32100-2015), and reads its region.

The code is the key by which intake names a subject. Whether such a subject exists is not decided here.
"""

import re
from functools import lru_cache
from uuid import UUID

from services.common.identifiers import derived_id

LENGTH = 18

# GB 32100-2015, 4.1: digits and capital letters without I, O, S, V, Z. The position in this string is the character's value.
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_MODULUS = 31
# GB 32100-2015, 4.6: the weight of place i is 3^(i-1) mod 31.
_WEIGHTS = tuple(pow(3, place, _MODULUS) for place in range(LENGTH - 1))
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
_REGION_DIGITS = slice(2, 8)
_WELL_FORMED = re.compile(f"[{ALPHABET}]{{2}}[0-9]{{6}}[{ALPHABET}]{{10}}")


def is_well_formed(code: str) -> bool:
    """Tell whether `code` has the length and the alphabet, and digits where the region stands; says nothing of the check character."""
    return _WELL_FORMED.fullmatch(code) is not None


def check_character(first_seventeen: str) -> str:
    """Compute the 18th character: 31 minus the weighted sum mod 31, where 31 itself counts as 0 (GB 32100-2015, 4.6).

    Raises:
        KeyError: a character is not of the alphabet.
    """
    weighted = sum(_VALUE[character] * weight for character, weight in zip(first_seventeen, _WEIGHTS, strict=True))
    return ALPHABET[-weighted % _MODULUS]


# The same few thousand subjects are reported on again and again.
@lru_cache(maxsize=65_536)
def has_valid_check_character(code: str) -> bool:
    """Tell whether the last character of a well-formed code is the one that the others ask for."""
    return check_character(code[:-1]) == code[-1]


def region(code: str) -> str:
    """Read the administrative division of the registering authority: places 3 to 8, GB/T 2260 (140400 is Changzhi)."""
    return code[_REGION_DIGITS]


def province(code: str) -> str:
    """Read the province-level division of the registering authority: the first two digits of its region (GB/T 2260; 14 is Shanxi)."""
    return region(code)[:2]


def subject_id(*, bureau: str, first_code: str) -> UUID:
    """Derive the id of a subject from the code it is known by first in the province whose accounts are kept."""
    return derived_id("subject", province=bureau, first_code=first_code)
