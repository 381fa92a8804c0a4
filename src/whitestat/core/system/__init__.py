"""Clock, privileges, memory and deferred imports: the part of the core that touches the system."""
