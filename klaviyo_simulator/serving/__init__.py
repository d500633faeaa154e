"""The HTTP server, and the paths that control the simulator."""
