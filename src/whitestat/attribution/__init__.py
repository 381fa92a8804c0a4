"""Who and what: from deltas to usage. Happens once, when a delta arrives."""
