"""Checks for the tests of collectors, of this package and of others."""

from whitestat.testing.contract import CollectorUnderTest, ContractBroken, checks_of

__all__ = ["CollectorUnderTest", "ContractBroken", "checks_of"]
