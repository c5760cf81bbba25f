"""ENCODE and FUSE of the published network (mana.py) as ONNX graphs, for tiles of one size.

The function is the same; what is done when differs, so that fusing is cheap and no tensor is large:

- Everything that one frame tells is computed once, when it is encoded: besides key and value also its query and what
  the memory recalls for it, which are asked for when the frame is the centre. That recall is already in `feat`.
- Group normalisation is InstanceNormalization of reshaped groups; its scale and offset go into theta, g and phi.
- ROWS rows of queries at a time meet all positions of one frame: their scores are 8 MB at s = 64, where all of them
  would be 64 MB, and those of seven frames 448 MB.
- The Gaussian is the product of one along y and one along x, [s, s] each; over all pairs it would be another 64 MB.

Letters in shapes: B batch, C channels, d = C/2, s side of a tile, P = s*s positions, R = ROWS.
"""

import numpy as np

from .graph import Graph
from .mana import GROUPS, SCALE
from .networks import WINDOW

ROWS = 8  # rows of the tile whose queries are answered together


def encode_graph(network):
    """frame [B, 3, s, s] -> feat [B, C, s, s], query, key and value [B, d, s, s]."""
    settings, state = network.settings, arrays(network)
    c, d, s = settings.channels, settings.dim, settings.tile
    g = Graph("encode")
    frame = g.input("frame", ["batch", 3, s, s])
    x = leaky(g, conv(g, state, "conv_first", frame))
    x = residuals(g, state, "encoder", settings.encoder_blocks, x, last=None if settings.memory else "feat")

    groups = g.reshape(x, 0, GROUPS, -1, s)
    ones, zeros = g.weight("norm.ones", np.ones(GROUPS)), g.weight("norm.zeros", np.zeros(GROUPS))
    groups = g.op("InstanceNormalization", groups, ones, zeros, epsilon=1e-6, label="norm")
    normal = g.reshape(groups, 0, c, s, s)
    named = {"query": "phi", "key": "theta", "value": "g"}
    planes = {plane: g.conv(normal, plane, *normalised(state, part)) for plane, part in named.items()}
    if settings.memory:
        bank = state["nonloc_spatial.mb"]
        scores = g.op("MatMul", tokens(g, planes["query"], d), g.weight("memory.keys", bank * d**-0.5))
        recalled = g.op("MatMul", g.op("Softmax", scores, axis=-1), g.weight("memory.values", bank.T))
        recalled = conv(g, state, "nonloc_spatial.W_z1", plane(g, recalled, d, s))
        g.op("Add", x, recalled, label="feat")

    g.output("feat", ["batch", c, s, s])
    for name in named:
        g.output(name, ["batch", d, s, s])
    return g.model()


def fuse_graph(network):
    """The centre's frame, feat and query, key0..6 and value0..6 -> out [B, 3, 4s, 4s]."""
    settings, state = network.settings, arrays(network)
    c, d, s = settings.channels, settings.dim, settings.tile
    g = Graph("fuse")
    frame = g.input("frame", ["batch", 3, s, s])
    feat = g.input("feat", ["batch", c, s, s])
    query = g.input("query", ["batch", d, s, s])
    keys = [g.input(f"key{t}", ["batch", d, s, s]) for t in range(WINDOW)]
    values = [g.input(f"value{t}", ["batch", d, s, s]) for t in range(WINDOW)]

    queries = g.op("Split", tokens(g, query, d), axis=1, outputs=s // ROWS, label="queries")
    keys = [g.reshape(key, 0, d, -1) for key in keys]  # [B, d, P]
    values = [tokens(g, value, d) for value in values]  # [B, P, d]
    line = np.arange(s)
    gauss = np.exp(-0.5 * (line[:, None] - line) ** 2 / state["nonloc_spatial.std"] ** 2)  # [query, key]
    along_x = g.weight("gauss.x", gauss[:, None, :])  # [s, 1, s]
    attended = []
    for part, rows in enumerate(queries):
        along_y = g.weight(f"gauss.y.{part}", gauss[part * ROWS : (part + 1) * ROWS, None, :, None])  # [R, 1, s, 1]
        answers = []
        for key, value in zip(keys, values):
            scores = g.op("Softmax", g.op("MatMul", rows, key, label="scores"), axis=-1)  # [B, R*s, P]
            scores = g.reshape(scores, 0, ROWS, s, s, s)  # query's y and x, key's y and x
            scores = g.op("Mul", g.op("Mul", scores, along_x), along_y)
            answers.append(g.op("MatMul", g.reshape(scores, 0, ROWS * s, -1), value, label="answer"))
        attended.append(g.op("Concat", *answers, axis=2))
    attended = plane(g, g.op("Concat", *attended, axis=1), WINDOW * d, s)
    x = g.op("Add", feat, conv(g, state, "nonloc_spatial.W_z", attended))

    x = residuals(g, state, "decoder", settings.decoder_blocks, x)
    for name in ("upconv1", "upconv2"):
        x = leaky(g, g.op("DepthToSpace", conv(g, state, name, x), blocksize=2, mode="CRD"))
    detail = conv(g, state, "conv_last", leaky(g, conv(g, state, "conv_hr", x)))
    scales = g.weight("scales", np.array([1, 1, SCALE, SCALE], np.float32))
    half_pixel = dict(mode="linear", coordinate_transformation_mode="half_pixel")
    g.op("Add", g.op("Resize", frame, "", scales, label="base", **half_pixel), detail, label="out")
    g.output("out", ["batch", 3, SCALE * s, SCALE * s])
    return g.model()


def arrays(network):
    """The state dict as float64 arrays: products of weights are then rounded once."""
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def conv(g, state, name, x):
    return g.conv(x, name, state[f"{name}.weight"], state[f"{name}.bias"])


def leaky(g, x):
    return g.op("LeakyRelu", x, alpha=0.1)


def normalised(state, part):
    """Weight and bias of a 1x1 convolution of the attention, with the normalisation's scale and offset in them."""
    weight, bias = (state[f"nonloc_spatial.{part}.{kind}"] for kind in ("weight", "bias"))
    scale, offset = (state[f"nonloc_spatial.norm.{kind}"] for kind in ("weight", "bias"))
    return weight * scale[:, None, None], bias + weight[:, :, 0, 0] @ offset


def residuals(g, state, name, count, x, last=None):
    """count blocks x + conv2(relu(conv1(x))); `last` names the result."""
    for i in range(count):
        inner = g.op("Relu", conv(g, state, f"{name}.{i}.conv1", x))
        label = last if i == count - 1 else None
        x = g.op("Add", x, conv(g, state, f"{name}.{i}.conv2", inner), label=label)
    return x


def tokens(g, x, channels):
    """[B, c, s, s] -> [B, P, c]."""
    return g.transpose(g.reshape(x, 0, channels, -1), 0, 2, 1)


def plane(g, x, channels, side):
    """[B, P, c] -> [B, c, s, s]."""
    return g.reshape(g.transpose(x, 0, 2, 1), 0, channels, side, side)
