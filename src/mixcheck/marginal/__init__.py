"""What a model says of means and differences: marginal means, contrasts, slopes, comparisons."""
