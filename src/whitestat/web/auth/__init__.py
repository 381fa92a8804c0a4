"""Who may look and edit: accounts, their roles, sessions and tokens. Knows nothing of HTTP, nor of usage."""
