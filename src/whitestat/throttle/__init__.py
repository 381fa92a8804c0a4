"""Slowing down or cutting off devices over their plan: on a gateway, by tc and nftables, without changes to others."""
