"""From a likelihood to estimates: starts, searches, the boundary, infinity, information."""
