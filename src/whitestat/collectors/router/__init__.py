"""Router collectors: polling, running totals and the routers supported."""
