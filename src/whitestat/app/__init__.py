"""The program: command line, composition of the service and its commands."""
