"""Devices: registry, identity, addresses, names and edits."""
