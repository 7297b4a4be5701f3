"""Fitting: from a design and a family to estimates, and to what is known of them."""
