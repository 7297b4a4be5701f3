"""Mixed models that other packages fitted: fitted here, and held to what they say.

A model that cannot be simulated or fitted again as it is, but tells its terms, its family and its
log-likelihood, is fitted here; if both log-likelihoods agree it is the same fit, and where they do
not it is refused.
"""
