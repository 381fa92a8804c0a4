"""Value types, calendar, units and counter rules; imports nothing else of WhiteStat."""
