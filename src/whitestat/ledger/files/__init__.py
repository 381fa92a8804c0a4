"""Files of the ledger: database, journal, copies and their inspection."""
