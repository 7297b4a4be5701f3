"""What a user holds after a fit: the model, its estimates and its summary."""
