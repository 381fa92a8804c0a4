"""Questions and answers as text: parameters, parsing, JSON, CSV and tables, for the API and the commands."""
