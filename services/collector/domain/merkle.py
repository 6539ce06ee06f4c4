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


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Compute the audit path of a leaf: the neighbours from which, with the leaf, the tree hash follows (RFC 6962 section 2.1.1).

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} among {len(leaves)}")
    path = []
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            path.append(level[neighbour])
        joined = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        if len(level) % 2:
            joined.append(level[-1])
        level, index = joined, index // 2
    return path


def root_by_path(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Compute the tree hash that a leaf and its audit path lead to (RFC 9162 section 2.1.3.2); None where the path does not fit.

    Whoever holds the root can tell by it alone whether the leaf is at this place of a list of this size.
    """
    if not 0 <= index < size:
        return None
    last, node, rest = size - 1, sha256(b"\x00" + leaf).digest(), list(path)
    while last:
        if index % 2 or index == last:
            # A last one without neighbour goes up as it is, until it has one.
            while not index % 2 and last:
                index, last = index >> 1, last >> 1
            if not last:
                break
            if not rest:
                return None
            node = sha256(b"\x01" + rest.pop(0) + node).digest()
        else:
            if not rest:
                return None
            node = sha256(b"\x01" + node + rest.pop(0)).digest()
        index, last = index >> 1, last >> 1
    return None if rest else node
