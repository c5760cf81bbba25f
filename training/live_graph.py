"""ENCODE and FUSE of a mana-live network as ONNX graphs, built by hand for speed.

Attention is memory traffic, not arithmetic, so its layout decides. What differs from networks.py, without
changing the function:

- Inside a block positions come before channels: the scores are never transposed, only queries, keys and values.
- The mask of keys outside the picture rides in an extra channel of queries and keys, the temperature in the keys:
  one MatMul and one Add of the Gaussian give the logits.
- Keys and values are cut into 4x4 cells once; one Gather of neighbouring cells makes the windows of all blocks.
- Neighbours go one after another, so that their scores share a small piece of memory.
- Shape arithmetic is only what the Gather's indices and one Reshape need; it folds away when height and width
  are fixed. The other Reshapes do with 0, -1 and constants, which is why blocks are numbered column by column.

Letters in shapes: B batch, I rows and J columns of blocks (h/8, w/8), S = J*I blocks in that order, Q*Q queries of a
block, R*R keys of its window, C channels, D width of queries and keys, V of values, K = D + 1.
"""

import numpy as np

from .attention import EPSILON, POOL
from .graph import Graph
from .layers import BLOCK
from .networks import CENTRE

KEYS = BLOCK // POOL  # keys along a side of a cell: a block's own pixels, pooled
# All channels of a key outside the picture, where the extra channel of keys inside is 0, and what the queries hold there:
# with D <= 64 its logit is below -8 * 16 + 8 * 8 = -64, so that its weight is nothing, and those inside lose no digits.
OUTSIDE, ASK = -8.0, 16.0
MOST_BLOCKS = 1024  # along a side: 8192 pixels


def encode_graph(network):
    """frame [B, 3, h, w], and past [B, C, h, w] of a recurrent network -> feat, and near, key, value as it has them."""
    settings, state = network.settings, arrays(network)
    if settings.match or settings.feedback:
        raise SystemExit(f"{settings.name}: networks that match or read their last picture have no ONNX graph yet.")
    c = settings.channels
    g = Graph("encode")
    x = conv(g, state, "first", g.input("frame", ["batch", 3, "height", "width"]))
    if settings.recurrent:
        past = g.input("past", ["batch", c, "height", "width"])
        x = g.op("Add", x, conv(g, state, "past", past, label="past.conv"))
    x = g.op("LeakyRelu", x, alpha=0.1)
    feat = residuals(g, state, "enc", settings.encoder_blocks, x, last="feat")
    g.output("feat", ["batch", c, "height", "width"])
    if settings.near:
        conv(g, state, "near", feat)
        g.output("near", ["batch", settings.near, "height", "width"])
    if settings.dim:
        k = conv(g, state, "attn.k", feat, stride=POOL)
        # A 1x1 convolution of ones leaves |k|^2 in every channel: no reduction, no broadcast.
        d = settings.dim
        ones, tiny = np.ones((d, d, 1, 1)), np.full(d, EPSILON)
        length = g.op("Sqrt", g.conv(g.op("Mul", k, k), "k.ones", ones, tiny), label="k.length")
        g.op("Div", k, length, label="key")
        conv(g, state, "attn.v", feat, label="value", stride=POOL)
        g.output("key", ["batch", d, "height_2", "width_2"])
        g.output("value", ["batch", settings.value_dim, "height_2", "width_2"])
    return g.model()


def fuse_graph(network):
    """The centre's frame and feat, and its window's near, key, value planes -> out [B, 3, h*scale, w*scale]."""
    settings, state = network.settings, arrays(network)
    c, scale = settings.channels, settings.scale
    g = Graph("fuse")
    frame = g.input("frame", ["batch", 3, "height", "width"])
    z = feat = g.input("feat", ["batch", c, "height", "width"])
    if settings.near:
        planes = ["batch", settings.near, "height", "width"]
        near = g.op("Concat", *[g.input(f"near{t}", planes) for t in settings.near_frames], axis=1)
        z = g.op("Add", z, conv(g, state, "wn", near))
    if settings.dim:
        z = g.op("Add", z, attention(g, state, settings, feat), label="z")
    z = residuals(g, state, "dec", settings.decoder_blocks, z)
    detail = g.op("DepthToSpace", conv(g, state, "up", z), blocksize=scale, mode="CRD")
    scales = g.weight("scales", np.array([1, 1, scale, scale], np.float32))
    half_pixel = dict(mode="linear", coordinate_transformation_mode="half_pixel")
    g.op("Add", g.op("Resize", frame, "", scales, label="base", **half_pixel), detail, label="out")
    g.output("out", ["batch", 3, "height_out", "width_out"])
    return g.model()


def inputs(settings):
    """Input name of FUSE -> (plane, slot of the window)."""
    named = {"frame": ("frame", CENTRE), "feat": ("feat", CENTRE)}
    if settings.near:
        named |= {f"near{t}": ("near", t) for t in settings.near_frames}
    if settings.dim:
        named |= {f"{plane}{t}": (plane, t) for plane in ("key", "value") for t in settings.attend_frames}
    return named


def arrays(network):
    """The state dict as float64 arrays: products of weights are then rounded once."""
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def conv(g, state, name, x, label=None, stride=1):
    return g.conv(x, name, state[f"{name}.weight"], state[f"{name}.bias"], label=label, stride=stride)


def residuals(g, state, name, count, x, last=None):
    """count blocks x + b(relu(a(x))); `last` names the result."""
    for i in range(count):
        inner = g.op("Relu", conv(g, state, f"{name}.{i}.a", x))
        label = last if i == count - 1 else None
        x = g.op("Add", x, conv(g, state, f"{name}.{i}.b", inner), label=label)
    return x


def attention(g, state, s, feat):
    """feat [B, C, h, w] -> what attention to the window and to the memory adds to it."""
    pooled = ["batch", "", "height_2", "width_2"]
    keys = [g.input(f"key{t}", [*pooled[:1], s.dim, *pooled[2:]]) for t in s.attend_frames]
    values = [g.input(f"value{t}", [*pooled[:1], s.value_dim, *pooled[2:]]) for t in s.attend_frames]
    columns, indices = block_grid(g, s, feat)
    raw, query = queries(g, state, s, feat)
    key_cells, value_cells = cells(g, state, s, keys, values)
    distances = s.grid.offsets().double().square().sum(-1).numpy()[:, cell_order(s)]
    attended = []
    for t in range(len(s.attend_frames)):
        key = window(g, s, key_cells[t], indices, s.dim + 1)
        value = window(g, s, value_cells[t], indices, s.value_dim)
        bias = -0.5 * distances / state["attn.std"][t] ** 2
        scores = g.op("MatMul", query, g.transpose(key, 0, 1, 3, 2))  # [B, S, Q*Q, R*R]
        scores = g.op("Add", scores, g.weight(f"bias.{t}", bias))
        attended.append(g.op("MatMul", g.op("Softmax", scores, axis=-1), value, label=f"attended.{t}"))
    y = g.op("MatMul", g.op("Concat", *attended, axis=3), g.weight("attn.wz", state["attn.wz.weight"].T))
    y = g.op("Add", y, memory(g, state, s, raw) if s.memory else g.weight("attn.wz.bias", state["attn.wz.bias"]))
    return from_blocks(g, s, y, columns)


def block_grid(g, s, feat):
    """From the size of feat: J as an int64 [1], and the cells of each block's window, int64 [S, cells].

    A window has (R/4)^2 cells, so there are R/4 - 1 more rows and columns of cells than of blocks; cells are numbered
    column by column.
    """
    more = s.grid.reach // KEYS - 1
    counts = g.op("Div", g.op("Shape", feat, start=2, label="size"), g.ints(BLOCK), label="blocks")
    rows, columns = (g.op("Gather", counts, g.ints(axis), label="block.count") for axis in (0, 1))
    # Counting is a slice of a constant: ORT refuses Range once the dims are fixed.
    numbers = g.weight("numbers", np.arange(MOST_BLOCKS))
    row, column = (g.op("Slice", numbers, g.ints(0), count, label="block.number") for count in (rows, columns))
    stride = g.op("Add", rows, g.ints(more), label="cell.rows")
    first = g.op("Mul", g.reshape(column, -1, 1), stride)  # [J, 1]
    first = g.reshape(g.op("Add", first, row), -1, 1)  # [S, 1]: the cell that holds each window's first key
    right, down = (axis.reshape(-1) for axis in np.mgrid[: more + 1, : more + 1])
    corners = g.op("Add", g.op("Mul", stride, g.ints(*right)), g.ints(*down))
    return columns, g.op("Add", first, corners, label="window.cells")


def cell_order(s):
    """[R*R]: for each key of a gathered window, its number row by row in the window."""
    side = s.grid.reach // KEYS
    column, row, y, x = (axis.reshape(-1) for axis in np.mgrid[:side, :side, :KEYS, :KEYS])
    return (row * KEYS + y) * s.grid.reach + column * KEYS + x


def queries(g, state, s, feat):
    """feat [B, C, h, w] -> queries as they are [B, S, Q*Q, K], and as units with ASK in the extra channel.

    The extra channel leaves the convolution as ASK, so that one chain of operators serves all K channels.
    """
    d = s.dim
    weight = np.pad(state["attn.q.weight"], [(0, 1), (0, 0), (0, 0), (0, 0)])
    bias = np.append(state["attn.q.bias"], ASK)
    raw = to_blocks(g, g.conv(feat, "attn.q", weight, bias, stride=s.query_pool), s.grid.queries, d + 1)
    # A product of squares with this: |q|^2 + EPSILON in the first D channels, 1 in the extra one.
    sums = np.zeros((d + 1, d + 1))
    sums[:d, :d], sums[d, :d], sums[d, d] = 1, EPSILON / ASK**2, 1 / ASK**2
    length = g.op("Sqrt", g.op("MatMul", g.op("Mul", raw, raw), g.weight("q.sums", sums)), label="q.length")
    return raw, g.op("Div", raw, length, label="query")


def to_blocks(g, x, side, channels):
    """[B, c, n*I, n*J] -> [B, S, n*n, c] for blocks of n = side, each row by row."""
    x = g.reshape(g.transpose(x, 0, 2, 3, 1), 0, 0, -1, side, channels)  # [B, n*I, J, n, c]
    return g.reshape(g.transpose(x, 0, 2, 1, 3, 4), 0, -1, side**2, channels)


def from_blocks(g, s, x, columns):
    """[B, S, Q*Q, area*C] -> [B, C, h, w]; columns is J."""
    channels = s.query_pool**2 * s.channels
    shape = g.op("Concat", g.ints(0), columns, g.ints(-1, s.grid.queries, channels), axis=0, label="block.shape")
    x = g.transpose(g.op("Reshape", x, shape), 0, 2, 1, 3, 4)  # [B, Q*I, J, Q, area*C]
    x = g.transpose(g.reshape(x, 0, 0, -1, channels), 0, 3, 1, 2)
    return g.op("DepthToSpace", x, blocksize=s.query_pool, mode="CRD") if s.query_pool > 1 else x


def cells(g, state, s, keys, values):
    """Keys [B, D, h/2, w/2] and values [B, V, h/2, w/2] -> key cells [B, cells, 16, K], value cells [B, cells, 16, V].

    The picture is padded by the halo, so that the windows of all blocks begin at a cell's corner.
    """
    d, count = s.dim, len(keys)
    # One grouped 1x1 convolution multiplies each neighbour's keys with its tau and appends the extra channel, a zero.
    weight = np.zeros((count, d + 1, d, 1, 1))
    for t in range(count):
        weight[t, :d, :, 0, 0] = np.eye(d) * state["attn.tau"][t]
    key = g.op("Concat", *keys, axis=1)
    key = g.conv(key, "key.extended", weight.reshape(-1, d, 1, 1), np.zeros(count * (d + 1)), group=count)
    value = g.op("Concat", *values, axis=1)
    made = []
    for x, channels, fill in ((key, count * (d + 1), OUTSIDE), (value, count * s.value_dim, 0.0)):
        halo = s.halo // POOL
        pads = g.ints(0, 0, halo, halo, 0, 0, halo, halo)
        x = g.op("Pad", x, pads, g.weight(f"fill{fill:g}", np.array(fill, np.float32)))
        x = to_blocks(g, x, KEYS, channels)
        made.append(g.op("Split", x, axis=3, outputs=count) if count > 1 else [x])
    return made


def window(g, s, x, indices, channels):
    """Cells [B, cells, 16, c] -> those around each block, [B, S, R*R, c]."""
    return g.reshape(g.op("Gather", x, indices, axis=1), 0, 0, -1, channels)


def memory(g, state, s, raw):
    """raw queries [B, S, Q*Q, K] -> what the memory bank recalls, projected: [B, S, Q*Q, area*C].

    The weights of a softmax sum to one, so that the biases of both projections can ride in the bank's values.
    """
    bank = state["attn.mb"]
    keys = np.pad(bank, [(0, 1), (0, 0)]) * s.dim**-0.5  # the extra channel does not count
    values = bank.T @ state["attn.wm.weight"].T + state["attn.wm.bias"] + state["attn.wz.bias"]
    scores = g.op("Softmax", g.op("MatMul", raw, g.weight("memory.keys", keys)), axis=-1)
    return g.op("MatMul", scores, g.weight("memory.values", values), label="recalled")
