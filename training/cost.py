"""What a graph costs per low-resolution pixel: multiply-adds, and bytes of fp32 intermediates."""

from math import prod

import numpy as np
from onnx import TensorProto, numpy_helper, shape_inference

SIDE = 256  # pixels along a side of the picture that is counted; large, so that the cells beyond its edge weigh little
BYTES = 4  # fp32
VIEWS = {"Reshape"}  # results that share their input's memory
# The integer operators of a graph's shape arithmetic, which fold away once the size is known.
FOLDS = {
    "Add": np.add,
    "Mul": np.multiply,
    "Div": np.floor_divide,
    "Gather": lambda data, indices: data[indices],
    "Slice": lambda data, start, end: data[int(start) : int(end)],
    "Reshape": np.reshape,
    "Concat": lambda *parts: np.concatenate(parts),
}


def cost(model):
    """{"macsPerPixel", "peakBytesPerPixel", "largestBytesPerPixel"} of a graph with the inputs of live_graph.py.

    The peak is that of a simple walk in node order: a tensor lives from its node to its last use, nothing is
    reused in place, and the graph's inputs and weights do not count.
    """
    model, shapes = sized(model)
    weights = {weight.name for weight in model.graph.initializer}
    given = weights | {value.name for value in model.graph.input}
    root = {}  # name of a view -> name of the tensor whose memory it shows
    last = {}  # name of a tensor -> number of the last node that reads it
    nodes = model.graph.node
    for number, node in enumerate(nodes):
        if node.op_type in VIEWS:
            root[node.output[0]] = root.get(node.input[0], node.input[0])
        for name in node.input:
            last[root.get(name, name)] = number
    for value in model.graph.output:
        last[root.get(value.name, value.name)] = len(nodes)

    live, now, peak, largest = {}, 0, 0, 0
    for number, node in enumerate(nodes):
        for name in node.output:
            if root.get(name, name) not in given and name not in root:
                live[name] = prod(shapes[name]) * BYTES
                largest = max(largest, live[name])
        peak = max(peak, sum(live.values()))
        live = {name: size for name, size in live.items() if last.get(name, -1) > number}
    area = SIDE * SIDE
    return {
        "macsPerPixel": round(sum(macs(node, shapes) for node in nodes) / area),
        "peakBytesPerPixel": round(peak / area),
        "largestBytesPerPixel": round(largest / area),
    }


def sized(model):
    """The graph for one picture of SIDE x SIDE, without its shape arithmetic; and {tensor name: shape}."""
    fixed = type(model)()
    fixed.CopyFrom(model)
    graph = fixed.graph
    size = {"batch": 1, "height": SIDE, "width": SIDE, "height_2": SIDE // 2, "width_2": SIDE // 2}
    given = {}
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        for dim in dims:
            if dim.dim_param:
                dim.dim_value = size[dim.dim_param]
        given[value.name] = np.array([dim.dim_value for dim in dims])
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    fold(graph, given)
    inferred = shape_inference.infer_shapes(fixed, strict_mode=True).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    for value in [*inferred.input, *inferred.value_info, *inferred.output]:
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    unknown = [name for node in graph.node for name in node.output if 0 in shapes.get(name, (0,))]
    assert not unknown, f"The shapes of {unknown} could not be inferred."
    return fixed, shapes


def fold(graph, given):
    """Replaces the nodes that follow from Shape of the inputs {name: shape} by constants."""
    integers = {w.name: numpy_helper.to_array(w) for w in graph.initializer if w.data_type == TensorProto.INT64}
    kept = []
    for node in graph.node:
        if node.op_type == "Shape":
            result = given[node.input[0]][node.attribute[0].i :]
        elif node.op_type in FOLDS and all(name in integers for name in node.input):
            result = FOLDS[node.op_type](*(integers[name] for name in node.input))
        else:
            kept.append(node)
            continue
        integers[node.output[0]] = result
        graph.initializer.append(numpy_helper.from_array(result, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)


def macs(node, shapes):
    """Multiply-adds of one node; only convolutions and matrix products count."""
    if node.op_type == "Conv":
        return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        return prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return 0
