"""Malformed calls over the whole public surface, generated from a seed."""
