"""The half-precision form of a graph: fp16 weights and arithmetic between fp32 inputs and outputs."""

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper


def to_half(model):
    """A copy of a model of graph.py that computes in fp16; its inputs and outputs stay fp32, so that engines need no change."""
    half = ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    for weight in graph.initializer:
        if weight.data_type == TensorProto.FLOAT and weight.name != "scales":  # Resize wants its scales in fp32
            array = numpy_helper.to_array(weight)
            assert np.abs(array).max(initial=0) < 65504, f"{weight.name} is too large for fp16."
            weight.CopyFrom(numpy_helper.from_array(array.astype(np.float16), weight.name))
    inputs = {value.name: f"{value.name}.half" for value in graph.input}
    outputs = {value.name: f"{value.name}.half" for value in graph.output}
    renamed = inputs | outputs
    for node in graph.node:
        # A Shape is read off the input itself, so that it folds away as before.
        if node.op_type != "Shape":
            node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    before = [cast(name, inner, TensorProto.FLOAT16) for name, inner in inputs.items()]
    after = [cast(inner, name, TensorProto.FLOAT) for name, inner in outputs.items()]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    checker.check_model(half, full_check=True)
    return half


def cast(source, target, kind):
    return helper.make_node("Cast", [source], [target], name=f"{target}.cast", to=kind)
