"""Accounts, roles, sessions and tokens, and the limits of what a person sees."""
