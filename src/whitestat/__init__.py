"""WhiteStat: who used how much of the Internet, when and on what."""

__version__ = "12.0.0.dev0"
