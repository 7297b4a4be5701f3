"""Shapes of beta distributions: ``a = mu phi`` and ``b = (1 - mu) phi``, with their derivatives."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.bounds import LOG_MAX, hold_exp
from mixcheck.families.derivatives import Derivatives, Predictors
from mixcheck.families.links import ProbabilityLink
from mixcheck.families.special import Column
from mixcheck.families.tails import Tail

__all__ = ["LINKS", "differentiate_shares", "find_inside", "shapes_of"]

LINKS = ("logit", "probit", "cloglog", "cauchit")


def find_inside(link: ProbabilityLink, eta: Predictors) -> BoolArray:
    """Where both shapes and the precision are within ``exp(230)``, ``(n,)``."""
    p, q = link.log_tails(eta[0], 0)
    inside: BoolArray = np.abs(eta[1]) <= LOG_MAX
    inside &= np.minimum(p[0], q[0]) + np.minimum(eta[1], 0.0) >= -LOG_MAX
    return inside


def shapes_of(link: ProbabilityLink, eta: Predictors) -> tuple[FloatArray, FloatArray]:
    """Both shapes of the beta distribution, held inside the domain, each ``(n,)``."""
    p, q = link.log_tails(eta[0], 0)
    alpha: FloatArray = hold_exp(p[0] + eta[1])
    return alpha, hold_exp(q[0] + eta[1])


def differentiate_shares(a: Column, b: Column, m: Column, tails: tuple[Tail, Tail]) -> Derivatives:
    """Derivatives of ``f(log alpha) + g(log beta) + h(log phi)`` in eta (0) and log phi (1).

    ``a``, ``b`` and ``m`` are f, g and h with as many derivatives as wanted; alpha is
    ``phi F(eta)`` and beta ``phi (1 - F(eta))``, with the logarithms of F as tails.
    """
    u, v = tails
    value = a[0] + b[0] + m[0]
    order = len(a) - 1
    if order < 1:
        return Derivatives(value, (), {}, {})
    first = (a[1] * u[1] + b[1] * v[1], a[1] + b[1] + m[1])
    if order < 2:
        return Derivatives(value, first, {}, {})
    second = {
        (0, 0): a[2] * u[1] * u[1] + a[1] * u[2] + b[2] * v[1] * v[1] + b[1] * v[2],
        (0, 1): a[2] * u[1] + b[2] * v[1],
        (1, 1): a[2] + b[2] + m[2],
    }
    if order < 3:
        return Derivatives(value, first, second, {})
    third = {
        (0, 0, 0): _bend_thrice(a, u) + _bend_thrice(b, v),
        (0, 0, 1): a[3] * u[1] * u[1] + a[2] * u[2] + b[3] * v[1] * v[1] + b[2] * v[2],
        (0, 1, 1): a[3] * u[1] + b[3] * v[1],
        (1, 1, 1): a[3] + b[3] + m[3],
    }
    return Derivatives(value, first, second, third)


def _bend_thrice(f: Column, u: Tail) -> FloatArray:
    """Third derivative of ``f(u(eta))``."""
    return f[3] * u[1] * u[1] * u[1] + 3.0 * f[2] * u[1] * u[2] + f[1] * u[3]
