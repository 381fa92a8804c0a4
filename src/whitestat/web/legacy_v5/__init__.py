"""The URLs and tables of WhiteStat 5."""
