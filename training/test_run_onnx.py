"""Checks run_onnx.py: the conformance cases of the onnx package, half precision, and what it refuses.

    python3 -m training.test_run_onnx
"""

import numpy as np
import torch
from onnx import ModelProto, TensorProto
from onnx.backend.test.case.node import collect_testcases

from .graph import Graph
from .run_onnx import OPERATORS, OPSETS, OnnxModel

# The cases of onnx 1.12 use these names, which numpy 1.24 has dropped.
for name, kind in {"float": float, "int": int, "bool": bool, "object": object}.items():
    setattr(np, name, kind)


def test_conformance():
    """Every case is answered rightly or refused with a reason; some case of every operator is answered."""
    answered, offered = dict.fromkeys(OPERATORS, 0), dict.fromkeys(OPERATORS, 0)
    for case in collect_testcases(None):
        kinds = {node.op_type for node in case.model.graph.node}
        # Cases carry the version that their operator last changed in.
        old = case.model.opset_import[0].version <= OPSETS[-1]
        if len(kinds) == 1 and kinds <= set(OPERATORS) and old and all(map(tensors, case.data_sets)):
            offered[kind := kinds.pop()] += 1
            answered[kind] += answers(case)
    never = [kind for kind in OPERATORS if offered[kind] and not answered[kind]]
    assert not never, f"All cases of {never} were refused."
    assert sum(offered.values()) > 100, "The onnx package has other cases than expected."
    print(f"{sum(answered.values())} of {sum(offered.values())} cases answered, the others refused")


def tensors(data):
    """Whether a case's inputs and outputs are arrays of types that torch has."""
    known = {"float16", "float32", "float64", "int32", "int64", "int8", "uint8", "bool"}
    return all(hasattr(value, "dtype") and value.dtype.name in known for part in data for value in part)


def answers(case):
    """True where a case is answered, False where it is refused; raises where the answer is wrong."""
    stored = ModelProto()
    stored.CopyFrom(case.model)
    stored.opset_import[0].version = OPSETS[-1]
    try:
        model = OnnxModel(stored.SerializeToString())
        found = [
            model.run({name: torch.from_numpy(np.array(value)) for name, value in zip(model.inputs, given)})
            for given, _ in case.data_sets
        ]
    except ValueError as reason:
        assert "cannot be computed" in str(reason), f"{case.name}: {reason}"
        return False
    for results, (_, expected) in zip(found, case.data_sets):
        for value, wanted in zip(results.values(), expected):
            assert value.numpy().dtype == wanted.dtype, f"{case.name}: {value.dtype}, not {wanted.dtype}"
            assert value.shape == wanted.shape, f"{case.name}: {list(value.shape)}, not {list(wanted.shape)}"
            assert np.allclose(value.numpy(), wanted, rtol=1e-3, atol=1e-5, equal_nan=True), f"{case.name} is wrong"
    return True


def test_half():
    """Half-precision tensors are rounded after every operator, and Cast leaves them."""
    g = Graph("half")
    short = g.op("Cast", g.input("x", [1]), to=TensorProto.FLOAT16)
    large, one = (g.op("Cast", g.weight(f"w{n}", np.array([n])), to=TensorProto.FLOAT16) for n in (2048, 1))
    # 2048 + 1 is not a half: only a sum that is rounded before the difference gives 0.
    g.op("Cast", g.op("Sub", g.op("Add", g.op("Mul", short, large), one), large), to=TensorProto.FLOAT, label="y")
    g.output("y", [1])
    model = OnnxModel(g.model().SerializeToString())
    result = model.run({"x": torch.ones(1)})["y"]
    assert result.dtype == torch.float32 and result.item() == 0, result


def test_memory():
    """Tensors that nobody reads any more are let go, and the outputs and weights are kept."""
    g = Graph("chain")
    x = g.input("x", ["n"])
    middle = g.op("Add", x, g.weight("one", np.ones(1)), label="middle")
    g.op("Mul", middle, middle, label="y")
    for name in ("middle", "y"):
        g.output(name, ["n"])
    model = OnnxModel(g.model().SerializeToString())
    for _ in range(2):
        result = model.run({"x": torch.tensor([1.0, 2.0])})
        assert result["y"].tolist() == [4, 9] and result["middle"].tolist() == [2, 3]
    assert [set(names) for names in model.done] == [{"x", "one"}, set()], model.done


def test_refusals():
    """Errors name what is wrong."""
    g = Graph("odd")
    g.op("Erf", g.input("x", ["n"]), label="y")
    g.output("y", ["n"])
    refused(lambda: OnnxModel(g.model().SerializeToString()), "does not know: Erf")
    g = Graph("even")
    g.op("Relu", g.input("x", ["n"]), label="y")
    g.output("y", ["n"])
    model = g.model()
    refused(lambda: OnnxModel(model.SerializeToString()).run({"z": torch.ones(1)}), "['x'], not ['z']")
    model.opset_import[0].version = 18
    refused(lambda: OnnxModel(model.SerializeToString()), "ai.onnx 18")


def refused(action, words):
    """Asserts that an action raises a ValueError that holds the words."""
    try:
        action()
    except ValueError as problem:
        assert words in str(problem), problem
    else:
        raise AssertionError(f"Not refused: {words}")


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"{name[5:]}: ok")


if __name__ == "__main__":
    main()
