"""Decides whether a text is a unified social credit code (统一社会信用代码) and which region it names, by GB 32100-2015."""

# Table 1: digits and capitals without I, O, S, V, Z.
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
# Section 5.3: the weight of position i is 3^(i-1) mod 31.
_WEIGHTS = tuple(pow(3, position, 31) for position in range(17))
_LENGTH = 18


def is_subject_code(text: str) -> bool:
    """Tell whether `text` has 18 characters of the alphabet, digits where the region stands, and the right check character."""
    if len(text) != _LENGTH or any(character not in _VALUES for character in text) or not region_of(text).isdecimal():
        return False
    total = sum(_VALUES[character] * weight for character, weight in zip(text[:-1], _WEIGHTS, strict=True))
    return _VALUES[text[-1]] == (31 - total % 31) % 31


def region_of(subject_code: str) -> str:
    """Return the region where the subject was registered: digits 3 to 8, GB/T 2260."""
    return subject_code[2:8]
