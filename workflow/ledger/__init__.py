"""The ledger: every event a leaf of one Merkle tree, its head signed, and the proofs that follow from it."""
