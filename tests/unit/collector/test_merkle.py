"""The Merkle tree hash, against the test vectors of RFC 6962 implementations and its recursive definition."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.collector.domain.merkle import inclusion_path, root_by_path, tree_hash

# Leaves and roots of the reference implementation's tests (certificate-transparency, merkletree).
WRITTEN = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
LEAVES = [bytes.fromhex(leaf) for leaf in WRITTEN]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def by_definition(leaves: list[bytes]) -> bytes:
    """Compute it as RFC 6962 section 2.1 writes it down."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


class TestTreeHash:
    def test_gives_the_published_roots(self) -> None:
        assert {count: tree_hash(LEAVES[:count]).hex() for count in ROOTS} == ROOTS

    def test_of_nothing_is_the_hash_of_nothing(self) -> None:
        assert tree_hash([]) == sha256(b"").digest()

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=40), max_size=70))
    def test_equals_the_recursive_definition(self, leaves: list[bytes]) -> None:
        assert tree_hash(leaves) == by_definition(leaves)


def path_by_definition(leaves: list[bytes], index: int) -> list[bytes]:
    """Compute it as RFC 6962 section 2.1.1 writes it down."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*path_by_definition(leaves[:split], index), by_definition(leaves[split:])]
    return [*path_by_definition(leaves[split:], index - split), by_definition(leaves[:split])]


class TestInclusion:
    def test_path_is_the_published_one(self) -> None:
        """The reference implementation's test: leaf 5 of 8, and leaf 2 of 3."""
        assert [step.hex() for step in inclusion_path(LEAVES, 5)] == [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
        assert [step.hex() for step in inclusion_path(LEAVES[:3], 2)] == [ROOTS[2]]

    @pytest.mark.parametrize("size", range(1, 34))
    def test_of_every_leaf_of_every_size_leads_to_the_root_and_nothing_else_does(self, size: int) -> None:
        leaves = [bytes([number]) for number in range(size)]
        root = tree_hash(leaves)
        for index in range(size):
            path = inclusion_path(leaves, index)
            assert path == path_by_definition(leaves, index)
            assert root_by_path(leaves[index], index=index, size=size, path=path) == root
            assert root_by_path(b"another", index=index, size=size, path=path) != root
            assert root_by_path(leaves[index], index=index, size=size, path=[*path, root]) is None
            for other in range(size):
                if other != index:
                    assert root_by_path(leaves[index], index=other, size=size, path=path) != root
            if path:
                assert root_by_path(leaves[index], index=index, size=size, path=path[:-1]) != root

    def test_of_a_leaf_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(IndexError):
            inclusion_path(LEAVES, 8)
        assert root_by_path(LEAVES[0], index=8, size=8, path=[]) is None
