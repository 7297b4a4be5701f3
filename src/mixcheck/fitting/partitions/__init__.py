"""Fits to rows in parts: each stays where it is held, and sums over the parts are the whole."""
