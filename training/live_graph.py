"""ENCODE and FUSE of a mana-live network as ONNX graphs, built by hand for speed.

Attention is memory traffic, not arithmetic, so its layout decides. What differs from networks.py, without
changing the function:

- Inside a block positions come before channels: the scores are never transposed, only queries, keys and values.
- The Gaussian bias and the mask of keys outside the picture ride in four extra channels of queries and keys,
  so that one MatMul gives the logits: -0.5*|q-k|^2/s = (qy*ky + qx*kx - 0.5*|k|^2 - 0.5*|q|^2)/s.
- Keys and values are cut into 4x4 cells once; one Gather of 2x2 neighbouring cells makes the windows of all blocks.
- Neighbours go one after another: the scores of one are 256 bytes a pixel, those of seven 1.8 KB.
- Shape arithmetic is only what the Gather's indices and one Reshape need; it folds away when height and width
  are fixed. The other Reshapes do with 0, -1 and constants, which is why blocks are numbered column by column.

Letters in shapes: B batch, I rows and J columns of blocks (h/8, w/8), S = J*I blocks in that order, C channels,
D attention width, K = D + 4 channels of an extended query or key.
"""

import numpy as np

from .graph import Graph
from .networks import BLOCK, HALO, POOL, WINDOW, key_offsets

KEYS = 4  # keys along a side of a cell: a block's pixels, pooled
EXTRA = 4  # channels that carry the bias and the mask: constant, y, x, |q|^2
# Added to the logit of a key outside the picture: its weight, e^-64, is nothing, and 64 + bias is still exact to 4e-6.
OUTSIDE = -64.0
MOST_BLOCKS = 1024  # along a side: 8192 pixels


def encode_graph(network):
    """frame [B, 3, h, w] -> feat [B, C, h, w], key and value [B, D, h/2, w/2]."""
    settings, state = network.settings, arrays(network)
    c, d = settings.channels, settings.dim
    g = Graph("encode")
    frame = g.input("frame", ["batch", 3, "height", "width"])
    x = g.op("LeakyRelu", conv(g, state, "first", frame), alpha=0.1)
    feat = residuals(g, state, "enc", settings.encoder_blocks, x, last="feat")

    k = conv(g, state, "attn.k", feat)
    # A 1x1 convolution of ones leaves |k|^2 in every channel: no reduction, no broadcast.
    ones, tiny = np.ones((d, d, 1, 1)), np.full(d, 1e-24)
    length = g.op("Sqrt", g.conv(g.op("Mul", k, k), "k.ones", ones, tiny), label="k.length")
    pool = dict(kernel_shape=[POOL, POOL], strides=[POOL, POOL])
    g.op("AveragePool", g.op("Div", k, length, label="k.unit"), label="key", **pool)
    # 1x1 convolution and mean commute: the values are made from the pooled features, a quarter of the work.
    pooled = g.op("AveragePool", feat, label="feat.pooled", **pool)
    conv(g, state, "attn.v", pooled, label="value")

    g.output("feat", ["batch", c, "height", "width"])
    g.output("key", ["batch", d, "height_2", "width_2"])
    g.output("value", ["batch", d, "height_2", "width_2"])
    return g.model()


def fuse_graph(network):
    """The centre's frame and feat, key0..6 and value0..6 -> out [B, 3, h*scale, w*scale]."""
    settings, state = network.settings, arrays(network)
    c, d, scale = settings.channels, settings.dim, settings.scale
    g = Graph("fuse")
    frame = g.input("frame", ["batch", 3, "height", "width"])
    feat = g.input("feat", ["batch", c, "height", "width"])
    pooled = ["batch", d, "height_2", "width_2"]
    keys = [g.input(f"key{t}", pooled) for t in range(WINDOW)]
    values = [g.input(f"value{t}", pooled) for t in range(WINDOW)]

    columns, indices = block_grid(g, feat)
    raw, query = queries(g, state, d, feat)
    key_cells, value_cells = cells(g, state, d, keys, values)
    attended = [
        neighbour(
            g, state, d, t, query,
            window(g, key_cells[t], indices, d + EXTRA), window(g, value_cells[t], indices, d),
        )
        for t in range(WINDOW)
    ]
    wz = state["attn.wz.weight"][:, :, 0, 0].T
    y = g.op("MatMul", g.op("Concat", *attended, axis=3), g.weight("attn.wz", wz))
    y = g.op("Add", y, memory(g, state, settings, raw))
    z = g.op("Add", feat, from_blocks(g, y, columns, c), label="z")

    z = residuals(g, state, "dec", settings.decoder_blocks, z)
    detail = g.op("DepthToSpace", conv(g, state, "up", z), blocksize=scale, mode="CRD")
    scales = g.weight("scales", np.array([1, 1, scale, scale], np.float32))
    half_pixel = dict(mode="linear", coordinate_transformation_mode="half_pixel")
    g.op("Add", g.op("Resize", frame, "", scales, label="base", **half_pixel), detail, label="out")
    g.output("out", ["batch", 3, "height_out", "width_out"])
    return g.model()


def arrays(network):
    """The state dict as float64 arrays: products of weights are then rounded once."""
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def conv(g, state, name, x, label=None):
    return g.conv(x, name, state[f"{name}.weight"], state[f"{name}.bias"], label=label)


def residuals(g, state, name, count, x, last=None):
    """count blocks x + b(relu(a(x))); `last` names the result."""
    for i in range(count):
        inner = g.op("Relu", conv(g, state, f"{name}.{i}.a", x))
        label = last if i == count - 1 else None
        x = g.op("Add", x, conv(g, state, f"{name}.{i}.b", inner), label=label)
    return x


def block_grid(g, feat):
    """From the size of feat: J as an int64 [1], and the cells of each block's window, int64 [S, 4].

    There is one more row and one more column of cells than of blocks; cells are numbered column by column.
    """
    counts = g.op("Div", g.op("Shape", feat, start=2, label="size"), g.ints(BLOCK), label="blocks")
    rows, columns = (g.op("Gather", counts, g.ints(axis), label="block.count") for axis in (0, 1))
    # Counting is a slice of a constant: ORT refuses Range once the dims are fixed.
    numbers = g.weight("numbers", np.arange(MOST_BLOCKS))
    row, column = (g.op("Slice", numbers, g.ints(0), count, label="block.number") for count in (rows, columns))
    stride = g.op("Add", rows, g.ints(1), label="cell.rows")
    first = g.op("Mul", g.reshape(column, -1, 1), stride)  # [J, 1]
    first = g.reshape(g.op("Add", first, row), -1, 1)  # [S, 1]: the cell that holds each window's first key
    corners = g.op("Add", g.op("Mul", stride, g.ints(0, 0, 1, 1)), g.ints(0, 1, 0, 1))
    return columns, g.op("Add", first, corners, label="window.cells")


def queries(g, state, d, feat):
    """feat [B, C, h, w] -> queries as they are and as units, with their extra channels: [B, S, 64, K].

    The extra channels leave the convolution as ones, so that one chain of operators serves all K channels.
    """
    weight = np.pad(state["attn.q.weight"], [(0, EXTRA), (0, 0), (0, 0), (0, 0)])
    bias = np.concatenate([state["attn.q.bias"], np.ones(EXTRA)])
    raw = to_blocks(g, g.conv(feat, "attn.q", weight, bias), d + EXTRA)
    # A product of squares with this: |q|^2 + 1e-24 in the first D channels, 1 in the others.
    sums = np.eye(d + EXTRA)
    sums[:d, :d] = 1
    sums[d, :d] = 1e-24
    length = g.op("Sqrt", g.op("MatMul", g.op("Mul", raw, raw), g.weight("q.sums", sums)), label="q.length")
    # [64, K]: what the extra channels of each query hold; offsets are from the block's centre.
    y, x = (axis.reshape(-1) - (BLOCK - 1) / 2 for axis in np.mgrid[:BLOCK, :BLOCK])
    place = np.ones((BLOCK**2, d + EXTRA))
    place[:, d:] = np.stack([y * 0 + 1, y, x, -0.5 * (y**2 + x**2)], 1)
    return raw, g.op("Mul", g.op("Div", raw, length), g.weight("q.place", place), label="query")


def to_blocks(g, x, channels):
    """[B, K, h, w] -> [B, S, 64, K], queries row by row."""
    x = g.reshape(g.transpose(x, 0, 2, 3, 1), 0, 0, -1, BLOCK, channels)  # [B, h, J, 8, K]
    return g.reshape(g.transpose(x, 0, 2, 1, 3, 4), 0, -1, BLOCK**2, channels)


def from_blocks(g, x, columns, channels):
    """[B, S, 64, C] -> [B, C, h, w]; columns is J."""
    shape = g.op("Concat", g.ints(0), columns, g.ints(-1, BLOCK, channels), axis=0, label="block.shape")
    x = g.transpose(g.op("Reshape", x, shape), 0, 2, 1, 3, 4)  # [B, h, J, 8, C]
    return g.transpose(g.reshape(x, 0, 0, -1, channels), 0, 3, 1, 2)


def cells(g, state, d, keys, values):
    """7 keys, 7 values [B, D, h/2, w/2] -> 7 key cells [B, cells, 16, K], 7 value cells [B, cells, 16, D].

    The picture is padded by the halo, so that cells of 4x4 start half a block before it: block (j, i) sees the
    cells (j, i), (j, i+1), (j+1, i), (j+1, i+1).
    """
    k = d + EXTRA
    # One grouped 1x1 convolution multiplies each neighbour's keys with its tau and appends the extra channels:
    # in the first -OUTSIDE within the picture, where the padding is 0.
    weight, bias = np.zeros((WINDOW, k, d, 1, 1)), np.zeros((WINDOW, k))
    for t in range(WINDOW):
        weight[t, :d, :, 0, 0] = np.eye(d) * state["attn.tau"][t]
    bias[:, d] = -OUTSIDE
    key = g.op("Concat", *keys, axis=1)
    key = g.conv(key, "key.extended", weight.reshape(-1, d, 1, 1), bias.reshape(-1), group=WINDOW)
    value = g.op("Concat", *values, axis=1)
    planes = ((key, WINDOW * k), (value, WINDOW * d))
    return [g.op("Split", to_cells(g, *plane), axis=3, outputs=WINDOW) for plane in planes]


def to_cells(g, x, channels):
    """[B, c, h/2, w/2] -> [B, cells, 16, c], each cell row by row."""
    halo = HALO // POOL
    x = g.op("Pad", x, g.ints(0, 0, halo, halo, 0, 0, halo, halo))
    x = g.reshape(g.transpose(x, 0, 2, 3, 1), 0, 0, -1, KEYS, channels)  # [B, H, J+1, 4, c]
    return g.reshape(g.transpose(x, 0, 2, 1, 3, 4), 0, -1, KEYS**2, channels)


def window(g, x, indices, channels):
    """Cells [B, cells, 16, c] -> the 2x2 cells around each block, [B, S, 64, c]."""
    return g.reshape(g.op("Gather", x, indices, axis=1), 0, 0, -1, channels)


def neighbour(g, state, d, t, query, key, value):
    """query [B, S, 64, K] to frame t's windows: key [B, S, 64, K], value [B, S, 64, D] -> [B, S, 64, D]."""
    key = g.op("Add", key, g.weight(f"key.place.{t}", key_place(d, state["attn.std"][t])))
    scores = g.op("MatMul", query, g.transpose(key, 0, 1, 3, 2))  # [B, S, 64, 64]
    return g.op("MatMul", g.op("Softmax", scores, axis=-1), value, label=f"attended.{t}")


def key_place(d, std):
    """[64, K]: what is added to the extra channels of the keys of a window, in the order of its cells."""
    offset = key_offsets().double().numpy() - (BLOCK - 1) / 2  # from the block's centre
    # The order of the 64: cell column, cell row, row in the cell, column in the cell.
    column, row, y, x = (axis.reshape(-1) for axis in np.mgrid[:2, :2, :KEYS, :KEYS])
    y, x = offset[row * KEYS + y], offset[column * KEYS + x]
    extra = np.stack([OUTSIDE * std**2 - 0.5 * (y**2 + x**2), y, x, y * 0 + 1], 1) / std**2
    return np.pad(extra, [(0, 0), (d, 0)])


def memory(g, state, settings, raw):
    """raw queries [B, S, 64, K] -> what the memory bank recalls, projected: [B, S, 64, C].

    The weights of a softmax sum to one, so that the biases of both projections can ride in the bank's values.
    """
    bank, d = state["attn.mb"], settings.dim
    keys = np.pad(bank, [(0, EXTRA), (0, 0)]) * d**-0.5  # the extra channels do not count
    values = bank.T @ state["attn.wm.weight"][:, :, 0, 0].T + state["attn.wm.bias"] + state["attn.wz.bias"]
    # A bank larger than a block's 64 keys is asked by a part of the queries at a time: the scores stay as small.
    parts = max(1, settings.memory // BLOCK**2)
    raws = g.op("Split", raw, g.ints(*[BLOCK**2 // parts] * parts), axis=2, outputs=parts) if parts > 1 else [raw]
    recalled = []
    for part in raws:
        scores = g.op("Softmax", g.op("MatMul", part, g.weight("memory.keys", keys)), axis=-1)
        recalled.append(g.op("MatMul", scores, g.weight("memory.values", values), label="recalled"))
    return g.op("Concat", *recalled, axis=2) if parts > 1 else recalled[0]
