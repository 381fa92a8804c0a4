"""Configuration: schema, sections, loader, environment and reference."""
