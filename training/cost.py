"""What a graph costs per low-resolution pixel: multiply-adds, and bytes of fp32 intermediates."""

from math import prod

from onnx import numpy_helper, shape_inference

SIDE = 256  # pixels along a side of the picture that is counted; large, so that the cells beyond its edge weigh little
BYTES = 4  # fp32
VIEWS = {"Reshape"}  # results that share their input's memory


def cost(model):
    """{"macsPerPixel", "peakBytesPerPixel", "largestBytesPerPixel"} of a graph with the inputs of live_graph.py.

    The peak is that of a simple walk in node order: a tensor lives from its node to its last use, nothing is
    reused in place, and the graph's inputs and weights do not count.
    """
    shapes = infer_shapes(model)
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


def infer_shapes(model):
    """{tensor name: shape} for one picture of SIDE x SIDE."""
    sized = type(model)()
    sized.CopyFrom(model)
    size = {"batch": 1, "height": SIDE, "width": SIDE, "height_2": SIDE // 2, "width_2": SIDE // 2}
    for value in sized.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = size[dim.dim_param]
    for value in sized.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True).graph
    shapes = {weight.name: tuple(numpy_helper.to_array(weight).shape) for weight in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return shapes


def macs(node, shapes):
    """Multiply-adds of one node; only convolutions and matrix products count."""
    if node.op_type == "Conv":
        return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        return prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return 0
