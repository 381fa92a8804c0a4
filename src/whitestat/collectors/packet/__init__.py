"""Packet counting in this process, from a receive ring of the kernel."""
