"""The darkstat collector: pages, their parsing and the traffic between polls."""
