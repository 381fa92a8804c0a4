"""Alerts: rules that watch usage and meters, and messages that reach a phone."""
