"""How far pictures are from the truth: PSNR, SSIM and flicker, as evaluation reports them.

Pictures are u8 [h, w, 3], R'G'B'. Y is BT.601 luma in 16..235, not rounded. BORDER pixels on each side do not count.
"""

import numpy as np

BORDER = 8
LUMA = np.array([65.481, 128.553, 24.966]) / 255
MOST_DB = 100.0  # what equal pictures get, so that a mean over frames stays a number
MEASURES = ("psnrY", "ssimY", "psnrRgb", "ssimRgb", "flicker")

# The window of Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
TAPS = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
TAPS /= TAPS.sum()
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luma(picture):
    """[..., 3] -> Y, float64 [...]."""
    return picture.astype(np.float64) @ LUMA + 16


def inner(plane):
    """[h, w, ...] without its border."""
    return plane[BORDER:-BORDER, BORDER:-BORDER]


def psnr(error):
    """dB of an error in levels of 255."""
    mean = np.mean(np.square(error))
    return min(MOST_DB, 10 * np.log10(255**2 / mean)) if mean else MOST_DB


def smooth(plane):
    """[h, w] -> [h-10, w-10], weighted by TAPS along both sides."""
    for _ in range(2):
        rows = len(plane) - len(TAPS) + 1
        plane = sum(tap * plane[i : i + rows] for i, tap in enumerate(TAPS)).T
    return plane


def ssim(a, b):
    """Mean structural similarity of two planes [h, w] of at least 11x11, levels of 255."""
    mean_a, mean_b = smooth(a), smooth(b)
    squares = mean_a**2 + mean_b**2
    variances = smooth(a * a + b * b) - squares
    covariance = smooth(a * b) - mean_a * mean_b
    product = mean_a * mean_b
    return np.mean((2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2)))


class Meter:
    """Collects the figures of a run of frames; add() them in order."""

    def __init__(self):
        self.frames = {measure: [] for measure in MEASURES}
        self.before = None  # (number, error of Y) of the frame added last

    def add(self, number, truth, picture):
        """Frame `number` of the sequence."""
        difference = picture.astype(np.float64) - truth
        error = inner(difference @ LUMA)
        self.frames["psnrY"].append(psnr(error))
        self.frames["psnrRgb"].append(psnr(inner(difference)))
        self.frames["ssimY"].append(ssim(inner(luma(truth)), inner(luma(picture))))
        planes = zip(np.moveaxis(truth.astype(np.float64), -1, 0), np.moveaxis(picture.astype(np.float64), -1, 0))
        self.frames["ssimRgb"].append(np.mean([ssim(inner(one), inner(two)) for one, two in planes]))
        # Flicker: what changes in the error from one frame to the next, which no still picture shows.
        if self.before and self.before[0] == number - 1:
            self.frames["flicker"].append(np.mean(np.abs(error - self.before[1])))
        self.before = number, error

    def figures(self):
        """{measure: mean over the frames}; flicker is left out where no two frames followed each other."""
        return {measure: float(np.mean(values)) for measure, values in self.frames.items() if values}


def mean_figures(figures):
    """The mean of several sequences' figures, each counting once."""
    known = [measure for measure in MEASURES if all(measure in one for one in figures)]
    return {measure: float(np.mean([one[measure] for one in figures])) for measure in known}
