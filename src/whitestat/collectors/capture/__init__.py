"""Capture files: pcap and pcapng records and their sums."""
