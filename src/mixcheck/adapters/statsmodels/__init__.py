"""Results of statsmodels, checked and compared as they are: a file for each kind of model."""
