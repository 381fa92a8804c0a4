"""The rates that may be asked for, bits per second."""

SLOWEST_BPS, FASTEST_BPS = 8_000, 100_000_000_000
