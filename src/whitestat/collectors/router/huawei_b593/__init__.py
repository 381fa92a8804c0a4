"""Huawei B593: pages, log-in and collector."""
