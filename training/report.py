"""What evaluation says of its figures: Markdown tables, the entries of metrics.json, and what is below bicubic."""

from .metrics import BORDER

TITLES = {
    "psnrY": "PSNR Y, dB",
    "ssimY": "SSIM Y",
    "psnrRgb": "PSNR RGB, dB",
    "ssimRgb": "SSIM RGB",
    "flicker": "flicker Y, levels",
}
DIGITS = {"psnrY": 2, "ssimY": 4, "psnrRgb": 2, "ssimRgb": 4, "flicker": 3}
MOST_COLUMNS = 8  # sequences that get a column or a line of their own


def table(rows):
    """Rows of one set, scale and input as Markdown."""
    first = rows[0]
    names = list(first["sequences"]) if len(first["sequences"]) <= MOST_COLUMNS else []
    measures = [measure for measure in TITLES if measure in first["mean"]]
    heading = ["", "lookahead", *names, *(TITLES[measure] for measure in measures)]
    count = len(first["sequences"])
    lines = [
        f"{first['set']} x{first['scale']}, {first['input']}: {first['frames']}, {count} sequences"
        + ("; their columns are PSNR Y, dB" if names else ""),
        "",
        "| " + " | ".join(heading) + " |",
        "|---|" + "---|" * (len(heading) - 1),
    ]
    for row in rows:
        cells = [row["method"], "" if row["lookahead"] is None else str(row["lookahead"])]
        cells += [text("psnrY", row["sequences"][name]) for name in names]
        cells += [text(measure, row["mean"]) for measure in measures]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def text(measure, figures):
    return f"{figures[measure]:.{DIGITS[measure]}f}"


def metrics_entries(rows, models):
    """{model: entries}: set, protocol, input, lookahead, measure, value, bicubicUp; and sequences, where they are few."""
    made = {}
    for row in rows:
        if row["method"] not in models:
            continue
        bicubic = next(other for other in rows if same_input(row, other) and other["method"] == "bicubic")
        for measure, title in TITLES.items():
            # Through codecs, the first measure will do.
            if measure not in row["mean"] or (row["input"] != "clean" and measure != "psnrY"):
                continue

            def number(figures):
                return round(figures[measure], DIGITS[measure])

            few = len(row["sequences"]) <= MOST_COLUMNS
            made.setdefault(row["method"], []).append(
                {
                    "set": row["set"],
                    "protocol": protocol(row),
                    "input": row["input"],
                    "lookahead": row["lookahead"],
                    "measure": title,
                    "value": number(row["mean"]),
                    "bicubicUp": number(bicubic["mean"]),
                    "sequences": {name: number(figures) for name, figures in row["sequences"].items()} if few else {},
                }
            )
    return made


def protocol(row):
    return (
        f"{row['frames']}, PIL bicubic x{row['scale']} down, {BORDER} pixels of border cut; "
        "ONNX files on CPU, training.evaluate"
    )


def same_input(row, other):
    return all(row[key] == other[key] for key in ("set", "scale", "input"))


def below_bicubic(rows):
    """A line for each sequence that a model makes worse than bicubic does."""
    lines = []
    for row in rows:
        bicubic = next(other for other in rows if same_input(row, other) and other["method"] == "bicubic")
        if row["lookahead"] is None:
            continue
        for name, figures in row["sequences"].items():
            lost = bicubic["sequences"][name]["psnrY"] - figures["psnrY"]
            if lost > 0:
                lines.append(f"Below bicubic: {row['method']}, {row['input']}, {name}: {lost:.2f} dB")
    return lines
