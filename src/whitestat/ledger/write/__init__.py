"""The writer of the ledger: flushes, folds and the state at a start."""
