"""Layers and views of tensors that the parts of a mana-live network share."""

from torch import nn
from torch.nn import functional as F

BLOCK = 8  # sides of pictures are multiples of it; attention works in blocks of 8x8 pixels


class Residual(nn.Module):
    """x + b(relu(a(x))), two 3x3 convolutions of C channels."""

    def __init__(self, channels):
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = silent(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x):
        return x + self.b(F.relu(self.a(x)))


def silent(layer):
    """Starts a layer at zero: a network that grows by it goes on from where it was."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def blocks(x, side, stride, padding, fill=0.0):
    """x [N, c, h, w] -> [N, S, side*side, c]: the windows of all blocks, row by row, `fill` outside."""
    n, c = x.shape[:2]
    x = F.pad(x, [padding] * 4, value=fill)
    x = x.unfold(2, side, stride).unfold(3, side, stride)  # [N, c, I, J, side, side]
    return x.permute(0, 2, 3, 4, 5, 1).reshape(n, -1, side * side, c)
