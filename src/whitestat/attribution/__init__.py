"""Devices and directions: from deltas to usage. Happens once, when a delta arrives."""
