"""Decides the Merkle tree hash of a list of leaves, as RFC 6962 section 2.1 defines it. Shows that nothing was left out or changed."""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Compute the Merkle tree hash of `leaves` in their order; of none it is the SHA-256 of the empty string.

    Works level by level: joining neighbours and carrying an odd last one up gives the same tree as RFC 6962's split at the
    largest power of two, without recursion.
    """
    if not leaves:
        return sha256(b"").digest()
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        joined = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        if len(level) % 2:
            joined.append(level[-1])
        level = joined
    return level[0]
