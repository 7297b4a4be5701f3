"""Hashes of rows: what counts, and what does not."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from mixcheck.port.row_hashes import combine, digest, hash_column, hash_labels, hash_rows


def test_digest_is_that_of_the_bytes():
    """A digest begins like SHA-256 of the bytes; an array that is missing is not an empty one."""
    x = np.arange(6.0)
    assert digest(x) == hashlib.sha256(x.tobytes()).hexdigest()[:16]
    assert digest(x.reshape(2, 3).T.copy().T) == digest(x)
    assert digest(x, None) != digest(x, np.zeros(0)) == digest(x)


def test_numbers_are_what_they_are():
    """Storage and the sign of zero do not count; a missing value is one value."""
    whole = pd.Series([0, 1, 2], dtype="int8")
    assert np.array_equal(hash_column(whole), hash_column(pd.Series([-0.0, 1.0, 2.0])))
    missing = hash_column(pd.Series([np.nan, 1.0, np.nan]))
    assert missing[0] == missing[2] != missing[1]


def test_levels_are_their_texts():
    """Texts and categories of the same name are the same, whatever their codes."""
    texts = pd.Series(["b", "a", "b"])
    assert np.array_equal(hash_column(texts), hash_column(texts.astype("category")))
    assert hash_column(pd.Series([["a"], ["b"]]))[0] == hash_column(pd.Series(["['a']"]))[0]


def test_rows_are_their_columns_by_name():
    """Neither the order of the columns nor that of the rows counts; which column does."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [2.0, 1.0]})
    found = hash_rows(frame, ["x", "y"])
    assert np.array_equal(hash_rows(frame, ["y", "x"]), found)
    assert np.array_equal(hash_rows(frame.iloc[::-1], ["x", "y"]), found[::-1])
    assert found[0] != found[1]
    assert (combine(found, found[::-1]) != combine(found[::-1], found)).all()


def test_labels_of_any_kind():
    """Labels of several kinds have hashes, the same wherever they stand."""
    found = hash_labels(pd.Index(["a", 1, ("b", 2.0)], dtype=object))
    assert np.unique(found).size == 3
    assert hash_labels(pd.Index([1, ("b", 2.0)], dtype=object))[1] == found[2]
