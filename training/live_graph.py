"""ENCODE and FUSE of a mana-live network as ONNX graphs, built by hand for speed.

Attention is memory traffic, not arithmetic, so its layout decides. What differs from networks.py, without
changing the function:

- Positions come before channels inside a block: the scores are never transposed, only queries, keys and values.
- The Gaussian bias and the mask of keys outside the picture ride in four extra channels of queries and keys,
  so one MatMul gives the logits: -0.5*|q-k|^2/s = (qy*ky + qx*kx - 0.5*|k|^2 - 0.5*|q|^2)/s.
- Keys and values are cut into 4x4 cells once; the 8x8 window of a block is 2x2 neighbouring cells.
- Neighbours go one after another: the scores of one are 256 bytes a pixel, those of seven 1.8 KB.
- No Shape node: every Reshape is written with 0, -1 and constants.

Letters in shapes: B batch, I x J blocks (h/8, w/8), C channels, D attention width, K = D + 4.
"""

import numpy as np

from .graph import Graph
from .networks import BLOCK, HALO, POOL, WINDOW, key_offsets

KEYS = 4  # keys along a side of a cell: a block's pixels, pooled
EXTRA = 4  # channels that carry the bias and the mask: constant, y, x, |q|^2
# Logit of a key outside the picture: e^-64 of the sum, nothing in fp32, and small enough to be added exactly enough.
OUTSIDE = -64.0
LAST = 2**31 - 1  # "to the end" for Slice


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

    raw, query = queries(g, state, d, feat)
    key_cells, value_cells = cells(g, state, d, keys, values)
    attended = [
        neighbour(g, state, d, t, query, key_cells[t], value_cells[t]) for t in range(WINDOW)
    ]
    # One projection of seven neighbours and the memory: [.., 8D] x [8D, C].
    attended.append(memory(g, state, d, raw))
    weights = np.concatenate([state["attn.wz.weight"], state["attn.wm.weight"]], 1)[:, :, 0, 0].T
    y = g.op("MatMul", g.op("Concat", *attended, axis=4), g.weight("attn.w", weights))
    y = g.op("Add", y, g.weight("attn.bias", state["attn.wz.bias"] + state["attn.wm.bias"]))
    z = g.op("Add", feat, from_blocks(g, y, c), label="z")

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


def queries(g, state, d, feat):
    """feat [B, C, h, w] -> raw and unit queries with their extra channels, [B, I, J, 64, K].

    The extra channels leave the convolution as ones, so that one chain serves all K channels.
    """
    weight = np.pad(state["attn.q.weight"], [(0, EXTRA), (0, 0), (0, 0), (0, 0)])
    bias = np.concatenate([state["attn.q.bias"], np.ones(EXTRA)])
    raw = to_blocks(g, g.conv(feat, "attn.q", weight, bias))
    # |q|^2 in the first D channels (a product with ones), 1 in the others.
    ones = np.zeros((d + EXTRA, d + EXTRA))
    ones[:d, :d] = 1
    one = np.concatenate([np.full(d, 1e-24), np.ones(EXTRA)])
    squared = g.op("MatMul", g.op("Mul", raw, raw), g.weight("q.ones", ones))
    length = g.op("Sqrt", g.op("Add", squared, g.weight("q.one", one)), label="q.length")
    # [64, K]: what the extra channels of each query hold; offsets are from the block's centre.
    y, x = (axis.reshape(-1) - (BLOCK - 1) / 2 for axis in np.mgrid[:BLOCK, :BLOCK])
    place = np.concatenate([np.ones((BLOCK**2, d)), np.stack([y * 0 + 1, y, x, -0.5 * (y**2 + x**2)], 1)], 1)
    return raw, g.op("Mul", g.op("Div", raw, length), g.weight("q.place", place), label="query")


def to_blocks(g, x):
    """[B, K, h, w] -> [B, I, J, 64, K], queries row by row."""
    x = g.reshape(x, 0, 0, 0, -1, BLOCK)  # [B, K, h, J, 8]
    x = g.reshape(g.transpose(x, 0, 3, 4, 1, 2), 0, 0, 0, 0, -1, BLOCK)  # [B, J, 8x, K, I, 8y]
    return g.reshape(g.transpose(x, 0, 4, 1, 5, 2, 3), 0, 0, 0, BLOCK**2, -1)


def from_blocks(g, x, channels):
    """[B, I, J, 64, C] -> [B, C, h, w]."""
    x = g.reshape(x, 0, 0, 0, BLOCK**2 * channels)
    return g.op("DepthToSpace", g.transpose(x, 0, 3, 1, 2), blocksize=BLOCK, mode="DCR")


def cells(g, state, d, keys, values):
    """7 keys, 7 values [B, D, h/2, w/2] -> 7 key cells [B, I+1, J+1, K, 16], 7 value cells [B, I+1, J+1, 16, D].

    The picture is padded by the halo, so that cells start half a block before it: block (i, j) sees the cells
    (i, j), (i, j+1), (i+1, j), (i+1, j+1).
    """
    k = d + EXTRA
    # One grouped 1x1 convolution multiplies each neighbour's keys with its tau and appends the extra channels:
    # -OUTSIDE within the picture, where the padding is 0, in the constant one.
    weight, bias = np.zeros((WINDOW, k, d, 1, 1)), np.zeros((WINDOW, k))
    for t in range(WINDOW):
        weight[t, :d, :, 0, 0] = np.eye(d) * state["attn.tau"][t]
    bias[:, d] = -OUTSIDE
    key = g.op("Concat", *keys, axis=1)
    key = g.conv(key, "key.extended", weight.reshape(-1, d, 1, 1), bias.reshape(-1), group=WINDOW)
    halo = HALO // POOL
    pads = g.ints(0, 0, halo, halo, 0, 0, halo, halo)
    key = to_cells(g, g.op("Pad", key, pads), 0, 4, 1, 3, 5, 2)  # [B, I', J', 7K, 4y, 4x]
    key = g.reshape(key, 0, 0, 0, WINDOW * k, KEYS**2)
    value = to_cells(g, g.op("Pad", g.op("Concat", *values, axis=1), pads), 0, 4, 1, 5, 2, 3)  # [.., 4y, 4x, 7D]
    value = g.reshape(value, 0, 0, 0, KEYS**2, WINDOW * d)
    return (
        g.op("Split", key, label="key.cell", axis=3, outputs=WINDOW),
        g.op("Split", value, label="value.cell", axis=4, outputs=WINDOW),
    )


def to_cells(g, x, *order):
    """[B, c, H, W], two steps of cutting a side by 4, then the given order of [B, J', 4x, c, I', 4y]."""
    x = g.reshape(x, 0, 0, 0, -1, KEYS)  # [B, c, H, J', 4x]
    x = g.reshape(g.transpose(x, 0, 3, 4, 1, 2), 0, 0, 0, 0, -1, KEYS)  # [B, J', 4x, c, I', 4y]
    return g.transpose(x, *order)


def window(g, x, axis):
    """Cells [B, I+1, J+1, ..] -> the 2x2 cells of each block, joined along `axis`: [B, I, J, ..]."""
    for side in (1, 2):
        x = g.op("Concat", g.slice(x, side, 0, -1), g.slice(x, side, 1, LAST), axis=axis)
    return x


def neighbour(g, state, d, t, query, key, value):
    """Attention of query [B, I, J, 64, K] to frame t: key cells [.., K, 16], value cells [.., 16, D] -> [B, I, J, 64, D]."""
    key, value = window(g, key, 4), window(g, value, 3)  # [B, I, J, K, 64], [B, I, J, 64, D]
    key = g.op("Add", key, g.weight(f"key.place.{t}", key_place(d, state["attn.std"][t])))
    scores = g.op("Softmax", g.op("MatMul", query, key), axis=-1)
    return g.op("MatMul", scores, value, label=f"attended.{t}")


def key_place(d, std):
    """[K, 64]: what is added to the extra channels of the keys of a window, in the order that window() joins them."""
    offset = key_offsets().double().numpy() - (BLOCK - 1) / 2  # from the block's centre
    # Order of the 64: cell column, cell row, row in the cell, column in the cell.
    column, row, y, x = (axis.reshape(-1) for axis in np.mgrid[:2, :2, :KEYS, :KEYS])
    y, x = offset[row * KEYS + y], offset[column * KEYS + x]
    place = np.zeros((d + EXTRA, len(y)))
    place[d:] = np.stack([OUTSIDE - 0.5 * (y**2 + x**2) / std**2, y / std**2, x / std**2, y * 0 + 1 / std**2])
    return place


def memory(g, state, d, raw):
    """raw queries [B, I, J, 64, K] -> what the memory bank recalls, [B, I, J, 64, D]."""
    bank = state["attn.mb"]
    weight = np.pad(bank, [(0, EXTRA), (0, 0)]) * d**-0.5  # the extra channels do not count
    scores = g.op("Softmax", g.op("MatMul", raw, g.weight("memory.keys", weight)), axis=-1)
    return g.op("MatMul", scores, g.weight("memory.values", bank.T), label="recalled")
