"""Draws the figures of runs against their steps, a panel a figure, a line a run. Needs matplotlib."""

PANELS = ("loss", "held", "codec", "vid4")


def draw(entries, path):
    """Writes a PNG of all runs that have a log."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(14, 9))
    for panel, axis in zip(PANELS, axes.flat):
        for entry in entries:
            progress = entry.progress
            points = [(progress.at(line), line[panel]) for line in progress.lines if panel in line]
            if points:
                axis.plot(*zip(*points), marker=".", label=entry.name)
        axis.set_title(panel if panel == "loss" else f"{panel}, dB")
        axis.set_xlabel("steps")
        axis.grid(alpha=0.3)
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="lower center", ncol=6, fontsize="small")
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
