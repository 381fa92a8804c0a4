"""HTTPS of the installation's own: its certificate authority, its certificate, and the names they are for."""
