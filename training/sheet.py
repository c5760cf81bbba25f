"""A sheet of crops: for each sequence the input, bicubic, the models and the truth, beside each other."""

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 112, 80  # pixels of a crop, which is shown twice as large
ZOOM, LINE = 2, 14
GRID = 16  # of crop corners
MOST_ROWS = 12
SHOWN = {"nearest": "input"}  # the pixels of the input are what nearest shows
HIDDEN = {"bilinear", "Lanczos"}


class Sheet:
    """Collects crops; save() writes them as one picture."""

    def __init__(self):
        self.rows = {}  # title -> (corner, {label: crop})

    def add(self, title, method, lookahead, truth, picture):
        """A method's picture of a frame, u8 [h, w, 3]. `title` is (set, scale, sequence, frame); MOST_ROWS are kept."""
        if method in HIDDEN or (title not in self.rows and len(self.rows) == MOST_ROWS):
            return
        corner, crops = self.rows.setdefault(title, (detail(truth), {}))
        label = SHOWN.get(method, method) if lookahead is None else f"{method}, lookahead {lookahead}"
        crops[label] = crop(picture, corner)
        crops["truth"] = crops.pop("truth", crop(truth, corner))

    def save(self, path):
        columns = max(len(crops) for _, crops in self.rows.values())
        width, height = WIDTH * ZOOM + 2, HEIGHT * ZOOM + LINE + 2
        sheet = Image.new("RGB", (columns * width, len(self.rows) * (height + LINE)), "white")
        draw = ImageDraw.Draw(sheet)
        for row, ((title, scale, name, frame), (_, crops)) in enumerate(self.rows.items()):
            top = row * (height + LINE)
            draw.text((2, top + 1), f"{title} x{scale}, {name}, frame {frame}", "black")
            for column, (label, pixels) in enumerate(crops.items()):
                draw.text((column * width + 2, top + LINE + 1), label, "black")
                size = (pixels.shape[1] * ZOOM, pixels.shape[0] * ZOOM)
                enlarged = Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
                sheet.paste(enlarged, (column * width, top + 2 * LINE))
        sheet.save(path)


def crop(picture, corner):
    return picture[corner[0] : corner[0] + HEIGHT, corner[1] : corner[1] + WIDTH].copy()


def detail(truth):
    """(y, x) of the crop with the most detail in the truth: chosen without looking at any method."""
    grey = truth.mean(-1)
    change = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    sums = np.pad(change.cumsum(0).cumsum(1), [(1, 0), (1, 0)])
    height, width = (min(most, side) for most, side in zip((HEIGHT, WIDTH), change.shape))
    area = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = np.unravel_index(area[::GRID, ::GRID].argmax(), area[::GRID, ::GRID].shape)
    return int(y) * GRID, int(x) * GRID
