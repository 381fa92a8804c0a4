"""Handlers of the API and of the pages made on the server."""
