"""A few lines around onnx.helper, so that a network's graph reads like the network."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class Graph:
    """Collects nodes and weights; every method that adds an operator returns the name of its (first) result."""

    def __init__(self, name):
        self.name = name
        self.nodes, self.weights, self.inputs, self.outputs = [], {}, [], []
        self.used = {}

    def input(self, name, dims):
        """Declares a float32 input; a dim is a number or a symbol."""
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        return name

    def output(self, name, dims):
        """Declares the tensor `name` as a float32 output."""
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))

    def weight(self, name, array):
        """A constant; floats become float32. The same name twice is the same constant."""
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        self.weights.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ints(self, *values):
        """A shape, axes or sizes operand: an int64 constant."""
        return self.weight("i" + "_".join(str(value) for value in values), np.array(values, np.int64))

    def op(self, kind, *inputs, label=None, outputs=1, **attributes):
        """Adds a node. `label` names it and its result, and is numbered when used again."""
        label = label or kind.lower()
        count = self.used[label] = self.used.get(label, -1) + 1
        label = f"{label}_{count}" if count else label
        names = [label] if outputs == 1 else [f"{label}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=label, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, name, weight, bias, label=None, group=1, stride=1):
        """Convolution: x [B, c, h, w], weight [m, c/group, n, n] -> [B, m, h/stride, w/stride].

        With a stride the kernel is of its size, and nothing is padded.
        """
        size = weight.shape[-1]
        pad = size // 2 if stride == 1 else 0
        operands = [x, self.weight(f"{name}.weight", weight), self.weight(f"{name}.bias", bias)]
        return self.op(
            "Conv", *operands, label=label or name,
            kernel_shape=[size, size], strides=[stride] * 2, pads=[pad] * 4, group=group,
        )  # fmt: skip

    def reshape(self, x, *shape, label=None):
        """Reshape where 0 keeps a dim and one -1 is inferred: no run-time shape arithmetic, whatever the picture."""
        return self.op("Reshape", x, self.ints(*shape), label=label)

    def transpose(self, x, *order, label=None):
        return self.op("Transpose", x, label=label, perm=order)

    def model(self):
        """The checked ONNX model."""
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, list(self.weights.values()))
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, producer_name="mana-upscale", opset_imports=opset, ir_version=IR_VERSION)
        checker.check_model(model, full_check=True)
        return model
