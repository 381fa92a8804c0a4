"""Where usage is kept: one SQLite file, written by `writer`, read by `queries`."""
