"""The HTTP server, and the paths by which a test controls the simulator."""
