"""What people are told without asking: rules that watch usage and meters, and messages that reach a phone."""
