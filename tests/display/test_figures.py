import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import mixcheck as mc
from mixcheck.display.document import QuantilePlot, ResidualPlot
from mixcheck.display.figures import MOST_POINTS, draw


def test_marked_points_survive_thinning():
    """Every marked point is drawn however many others there are."""
    x = np.linspace(0.0, 1.0, 20_000)
    ax = draw(ResidualPlot(x, x, marked=np.arange(x.size) % 1_000 == 3), Figure().subplots())
    assert [len(points.get_offsets()) for points in ax.collections] == [MOST_POINTS - 20, 20]


def test_draw_returns_its_axes(picture):
    """A picture is drawn on the axes that were given, with its labels."""
    ax = Figure(layout="constrained").subplots()
    assert draw(picture, ax) is ax
    assert ax.get_xlabel().startswith(picture.x_label.replace("$", r"\$"))
    assert ax.get_ylabel() == picture.y_label


def test_points_outside_the_band_differ_in_shape():
    """What lies outside the band is another marker, not only another colour."""
    grid = np.linspace(0.0, 1.0, 10)
    ax = draw(QuantilePlot(grid, grid, grid - 0.1, grid - 0.05), Figure().subplots())
    plain, marked = ax.collections[-2:]
    assert len(marked.get_offsets()) == 10
    assert len(plain.get_paths()[0].vertices) != len(marked.get_paths()[0].vertices)


def test_axes_of_several_pictures_are_short_in_a_notebook():
    """Thousands of characters before a picture are no help; a tuple they are all the same."""
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
    axes = fit.plot(seed=1, draws=19)
    assert isinstance(axes, tuple)
    assert repr(axes) == f"<{len(axes)} pictures>"
    plt.close("all")
