"""The likelihood of a mixed model: exact, by Laplace and by quadrature, with its gradient."""
