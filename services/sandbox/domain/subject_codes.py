"""Makes unified social credit codes (GB 32100-2015) for subjects that do not exist.

A code is a function of a name and a region, so the same name always has the same code. The middle nine characters are a valid
organisation code (GB 11714-1997), and the last is the check character. Checking codes is the collector's business, not ours.
"""

from hashlib import sha256

# GB 32100-2015 table 1: digits and capitals without I, O, S, V, Z.
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# GB 32100-2015 5.3: weights 3^(i-1) mod 31 of the first 17 characters.
_WEIGHTS = tuple(pow(3, position, 31) for position in range(17))
# GB 11714-1997 3.2: weights of the first eight characters of an organisation code.
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# 9: registered with market supervision; 1: enterprise (GB 32100-2015 table 2).
_REGISTRAR_AND_CATEGORY = "91"


def subject_code(*, name: str, region_code: str) -> str:
    """Make the code of the subject called `name` in `region_code` (GB/T 2260, six digits).

    Raises:
        ValueError: the region is not six digits.
    """
    if len(region_code) != 6 or not (region_code.isascii() and region_code.isdigit()):
        raise ValueError(f"a region is six digits, not {region_code!r}")
    body = _organisation_body(f"{region_code}/{name}")
    first_17 = _REGISTRAR_AND_CATEGORY + region_code + body + organisation_check_character(body)
    return first_17 + check_character(first_17)


def check_character(first_17: str) -> str:
    """Compute the 18th character over the first 17, GB 32100-2015 5.4: (31 − Σ Cᵢ·Wᵢ mod 31) mod 31."""
    total = sum(ALPHABET.index(character) * weight for character, weight in zip(first_17, _WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def organisation_check_character(body: str) -> str:
    """Compute the ninth character of an organisation code over its eight, GB 11714-1997: 11 − Σ Cᵢ·Wᵢ mod 11, 10 is X, 11 is 0."""
    pairs = zip(body, _ORGANISATION_WEIGHTS, strict=True)
    remainder = 11 - sum(_ORGANISATION_ALPHABET.index(character) * weight for character, weight in pairs) % 11
    return {10: "X", 11: "0"}.get(remainder, str(remainder))


def with_bad_check_character(code: str) -> str:
    """Return the code with another last character: well formed to the eye, refused by the check."""
    return code[:-1] + ALPHABET[(ALPHABET.index(code[-1]) + 1) % len(ALPHABET)]


def _organisation_body(text: str) -> str:
    number = int.from_bytes(sha256(text.encode("utf-8")).digest(), "big")
    characters = []
    for _ in range(8):
        number, remainder = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[remainder])
    return "".join(characters)
