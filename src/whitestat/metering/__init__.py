"""Metering: polls the collectors, records usage and keeps the live figures."""
