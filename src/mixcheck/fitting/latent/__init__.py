"""The latent Gaussian system: its layout and its factorisation."""
