"""Tables of the ledger and their values."""
