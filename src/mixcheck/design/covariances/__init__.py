"""Covariance structures of random terms, one file a structure."""

from mixcheck.design.covariances.covariance import Covariance, EntriesOfRoot, Quantity
from mixcheck.design.covariances.diagonal import Diagonal
from mixcheck.design.covariances.registry import DEFAULT, STRUCTURES, covariance_of
from mixcheck.design.covariances.unstructured import Unstructured

__all__ = [
    "DEFAULT",
    "STRUCTURES",
    "Covariance",
    "Diagonal",
    "EntriesOfRoot",
    "Quantity",
    "Unstructured",
    "covariance_of",
]
