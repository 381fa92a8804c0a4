"""The kernel meter: an eBPF socket filter, its maps and its collector."""
