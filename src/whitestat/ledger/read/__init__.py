"""Answers from the ledger: sums, breakdowns, gaps and exports."""
