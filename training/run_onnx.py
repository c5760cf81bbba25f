"""Runs ONNX files with PyTorch, where ONNX Runtime is not at hand.

    model = OnnxModel("models/mana-nano-x2/encode.onnx")
    feat = model.run({"frame": frame})["feat"]

Knows the operators that the graphs of this project use, as opset 17 defines them. Half-precision tensors are computed
in float32 and rounded after every operator, as ONNX Runtime does on a CPU.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

OPSETS = range(13, 18)
TYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
}


class OnnxModel:
    """A graph, ready to run. `inputs` and `outputs` are the names of its tensors.

    source: a path, or the file's bytes. Raises ValueError where the file needs what is not here.
    """

    def __init__(self, source):
        model = onnx.load_model_from_string(source) if isinstance(source, bytes) else onnx.load(str(Path(source)))
        graph = model.graph
        for opset in model.opset_import:
            if opset.domain not in ("", "ai.onnx") or opset.version not in OPSETS:
                raise ValueError(
                    f"{graph.name} uses operator set {opset.domain or 'ai.onnx'} {opset.version}; "
                    f"only ai.onnx {OPSETS[0]} to {OPSETS[-1]} can be run."
                )
        if unknown := sorted({node.op_type for node in graph.node} - set(OPERATORS)):
            raise ValueError(f"{graph.name} uses operators that run_onnx.py does not know: {', '.join(unknown)}.")
        self.weights = {weight.name: tensor(weight) for weight in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in self.weights]
        self.outputs = [value.name for value in graph.output]
        self.nodes = [
            (node.name or node.output[0], node.op_type, attributes(node), list(node.input), list(node.output))
            for node in graph.node
        ]
        last = {name: number for number, (*_, names, _) in enumerate(self.nodes) for name in names}
        # Tensors that nobody reads after each node: memory stays at what the graph needs.
        self.done = [
            [name for name in {*names, *made} - {"", *self.outputs} if last.get(name, number) == number]
            for number, (*_, names, made) in enumerate(self.nodes)
        ]

    def run(self, feeds):
        """{input name: tensor} -> {output name: tensor}. Raises ValueError for wrong names or a node that fails."""
        if set(feeds) != set(self.inputs):
            raise ValueError(f"The graph's inputs are {sorted(self.inputs)}, not {sorted(feeds)}.")
        known = {"": None, **self.weights, **feeds}
        with torch.no_grad():
            for (label, kind, given, names, made), done in zip(self.nodes, self.done):
                try:
                    results = operate(kind, given, [known[name] for name in names])
                except (RuntimeError, TypeError, IndexError) as error:
                    raise ValueError(f"Node {label} ({kind}) cannot be computed: {error}") from error
                known.update(zip(made, results))
                for name in done:
                    del known[name]
        return {name: known[name] for name in self.outputs}


def operate(kind, given, operands):
    """The results of one node, as a list."""
    half = kind != "Cast" and any(x is not None and x.dtype == torch.float16 for x in operands)
    if half:
        operands = [x.float() if x is not None and x.dtype == torch.float16 else x for x in operands]
    results = OPERATORS[kind](*operands, **given)
    results = list(results) if isinstance(results, (list, tuple)) else [results]
    return [x.half() if half and x.dtype == torch.float32 else x for x in results]


def tensor(proto):
    return torch.from_numpy(np.array(numpy_helper.to_array(proto)))


def attributes(node):
    """A node's attributes as keyword arguments; `outputs` tells Split how many results it has."""
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    values = {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}
    return {**values, "outputs": len(node.output)} if node.op_type == "Split" else values


def refuse(what):
    raise TypeError(f"{what} is not implemented in run_onnx.py")


def conv(x, weight, bias=None, *, kernel_shape=None, strides=(1, 1), pads=(0,) * 4, dilations=(1, 1), group=1):
    if x.dim() != 4:
        refuse("Conv of other than pictures")
    top, left, bottom, right = pads
    padding = (top, left)
    if padding != (bottom, right):
        x, padding = F.pad(x, [left, right, top, bottom]), (0, 0)
    return F.conv2d(x, weight, bias, list(strides), padding, list(dilations), group)


def average_pool(x, *, kernel_shape, strides=(1, 1), pads=(0,) * 4, ceil_mode=0, count_include_pad=0):
    if any(pads) or x.dim() != 4:
        refuse("AveragePool with padding, or of other than pictures,")
    return F.avg_pool2d(x, list(kernel_shape), list(strides), ceil_mode=bool(ceil_mode))


def instance_norm(x, scale, bias, *, epsilon=1e-5):
    return F.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


def reshape(x, shape, *, allowzero=0):
    if allowzero:
        refuse("Reshape with allowzero")
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape.tolist())])


def split(x, sizes=None, *, axis=0, outputs):
    return x.split(x.shape[axis] // outputs if sizes is None else sizes.tolist(), axis)


def take(x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes.tolist()
    steps = [1] * len(starts) if steps is None else steps.tolist()
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes, steps):
        # ONNX and Python agree on negative and on too large bounds.
        x = x.index_select(axis, torch.tensor(range(*slice(start, end, step).indices(x.shape[axis])), dtype=torch.long))
    return x


def gather(x, indices, *, axis=0):
    axis %= x.dim()
    indices = torch.where(indices < 0, indices + x.shape[axis], indices)
    picked = x.index_select(axis, indices.reshape(-1))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def pad(x, pads, value=None, *, mode="constant"):
    pads = pads.tolist()
    ends = list(zip(pads[: x.dim()], pads[x.dim() :]))
    if mode == "constant":
        sides = [side for pair in reversed(ends) for side in pair]
        return F.pad(x, sides, value=0.0 if value is None else value.item())
    if x.dim() != 4 or any(ends[0]) or any(ends[1]):
        refuse("Pad by reflection or repetition of other axes than height and width")
    return F.pad(x, [*ends[3], *ends[2]], mode={"edge": "replicate", "reflect": "reflect"}[mode])


def depth_to_space(x, *, blocksize, mode="DCR"):
    if mode == "DCR":
        x = x.unflatten(1, (blocksize**2, -1)).transpose(1, 2).flatten(1, 2)
    return F.pixel_shuffle(x, blocksize)


def resize(x, roi=None, scales=None, sizes=None, *, mode="nearest", coordinate_transformation_mode="half_pixel", **_):
    if (mode, coordinate_transformation_mode, x.dim()) != ("linear", "half_pixel", 4):
        refuse(f"Resize by {mode}, {coordinate_transformation_mode}, of {x.dim()} dimensions")
    if sizes is not None:
        return F.interpolate(x, size=sizes.tolist()[2:], mode="bilinear", align_corners=False)
    return F.interpolate(x, scale_factor=scales.tolist()[2:], mode="bilinear", align_corners=False)


def clip(x, low=None, high=None):
    return x if low is None and high is None else x.clamp(low, high)


def transpose(x, *, perm=None):
    return x.permute(perm or tuple(reversed(range(x.dim()))))


def divide(a, b):
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def cast(x, *, to):
    return x.to(TYPES[to]) if to in TYPES else refuse(f"Cast to type {to}")


def shape_of(x, *, start=0, end=None):
    return torch.tensor(x.shape[start:end], dtype=torch.long)


def reduce(function):
    """A reduction over `axes` (default: all), as ONNX calls it, from one of torch."""
    return lambda x, *, axes=None, keepdims=1: function(x, list(axes or range(x.dim())), keepdim=bool(keepdims))


def expand(x, shape):
    return x.broadcast_to(torch.broadcast_shapes(x.shape, shape.tolist()))


OPERATORS = {
    "Add": torch.add,
    "AveragePool": average_pool,
    "Cast": cast,
    "Clip": clip,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Constant": lambda *, value: tensor(value),
    "Conv": conv,
    "DepthToSpace": depth_to_space,
    "Div": divide,
    "Exp": torch.exp,
    "Expand": expand,
    "Gather": gather,
    "Identity": lambda x: x,
    "InstanceNormalization": instance_norm,
    "LeakyRelu": lambda x, *, alpha=0.01: F.leaky_relu(x, alpha),
    "MatMul": torch.matmul,
    "Max": lambda *parts: torch.stack(torch.broadcast_tensors(*parts)).amax(0),
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Pad": pad,
    "Pow": lambda x, power: torch.pow(x, power).to(x.dtype),
    "ReduceL2": reduce(lambda x, axes, keepdim: torch.linalg.vector_norm(x, dim=axes, keepdim=keepdim)),
    "ReduceMean": reduce(torch.mean),
    "Relu": torch.relu,
    "Reshape": reshape,
    "Resize": resize,
    "Shape": shape_of,
    "Slice": take,
    "Softmax": lambda x, *, axis=-1: x.softmax(axis),
    "Split": split,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Transpose": transpose,
}
