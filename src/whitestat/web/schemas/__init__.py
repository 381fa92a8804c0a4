"""Schemas of the API's responses, a module for each subject."""
