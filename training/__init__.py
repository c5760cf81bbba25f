"""Training side of mana-upscale: the networks in PyTorch, and their ONNX export."""
