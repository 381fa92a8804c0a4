"""Recovery of a damaged ledger: set aside, salvaged row by row, merged with what was counted since."""
