"""Covariance structures of random terms, one file a structure."""

from mixcheck.design.covariances.covariance import (
    Covariance,
    EntriesOfRoot,
    Kind,
    Quantity,
    Sequential,
)
from mixcheck.design.covariances.diagonal import Diagonal
from mixcheck.design.covariances.registry import DEFAULT, STRUCTURES, covariance_of
from mixcheck.design.covariances.unstructured import Unstructured

__all__ = [
    "DEFAULT",
    "STRUCTURES",
    "Covariance",
    "Diagonal",
    "EntriesOfRoot",
    "Kind",
    "Quantity",
    "Sequential",
    "Unstructured",
    "covariance_of",
]
