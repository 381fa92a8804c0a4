"""Slowing down or cutting off who went over: on a gateway, by tc and nftables, with nothing of others touched."""
