"""The limited line: allowances, tariffs, what is left, and when it will run out."""
