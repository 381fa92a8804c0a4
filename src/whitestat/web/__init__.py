"""The page, the API, the live streams and the log-in, over HTTP."""
