"""Old data of other programs: a reader for each, what they all yield, and its booking."""
