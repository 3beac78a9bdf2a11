"""What is prepared: graphs of few kinds of operator, and architectures that people quantize, all of any depth.

The architectures are narrow, so that a call spends its time on the graph and not on weights, and plain torch: what
they consist of, and how it hangs together, is what it is in models of full width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, WORDS, TAGS = 8, 2, 16, 4
"""How wide all layers are, into how many heads attention is split, and how many words and tags there are."""


class Chain(nn.Module):
    """Linear layers and ReLUs in turn."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        layers = (nn.ReLU() if number % 2 else nn.Linear(WIDTH, WIDTH) for number in range(depth))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Apply one after the other."""
        for layer in self.layers:
            x = layer(x)
        return x


class FanOut(nn.Module):
    """One value that many layers read."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(depth))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Apply all to the same value."""
        return [layer(x) for layer in self.layers]


class LongList(nn.Module):
    """Many values that one operator reads in a list."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate as many values as the depth says."""
        return torch.cat([F.hardswish(x) for _ in range(self.depth)])


class ConvNorm(nn.Sequential):
    """A convolution and its batch normalization, with the activation that follows, if any."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, then: nn.Module | None = None
    ) -> None:
        convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), *([] if then is None else [then]))


class BasicBlock(nn.Module):
    """A residual block of a ResNet: two convolutions, and the input beside them."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(WIDTH, WIDTH, 3, stride, then=nn.ReLU())
        self.second = ConvNorm(WIDTH, WIDTH, 3)
        self.shortcut = ConvNorm(WIDTH, WIDTH, 1, stride) if stride > 1 else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions make of the input to the input."""
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet(nn.Module):
    """A ResNet for small images: a stem, four stages of `depth` blocks, a classifier."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, WIDTH, 3, then=nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        strides = [2 if stage and not number else 1 for stage in range(4) for number in range(depth)]
        self.blocks = nn.Sequential(*map(BasicBlock, strides))
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(WIDTH, TAGS)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images."""
        x = self.mean(self.blocks(self.pool(self.stem(x))))
        return self.classifier(torch.flatten(x, 1))


class InvertedResidual(nn.Module):
    """A block of a MobileNetV2: it widens, filters each channel by itself, and narrows."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvNorm(WIDTH, 2 * WIDTH, 1, then=nn.ReLU6()),
            ConvNorm(2 * WIDTH, 2 * WIDTH, 3, stride, 2 * WIDTH, nn.ReLU6()),
            ConvNorm(2 * WIDTH, WIDTH, 1),
        )
        self.is_residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Add what the layers make of the input to the input, where that has the same size."""
        return x + self.layers(x) if self.is_residual else self.layers(x)


class MobileNet(nn.Module):
    """A MobileNetV2: a stem, three stages of `depth` inverted residuals, a classifier."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, WIDTH, 3, 2, then=nn.ReLU6())
        strides = [1 if number else 2 for _ in range(3) for number in range(depth)]
        self.blocks = nn.Sequential(*map(InvertedResidual, strides))
        self.last = ConvNorm(WIDTH, 2 * WIDTH, 1, then=nn.ReLU6())
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(2 * WIDTH, TAGS)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images."""
        x = F.adaptive_avg_pool2d(self.last(self.blocks(self.stem(x))), (1, 1))
        return self.classifier(self.dropout(torch.flatten(x, 1)))


class Attention(nn.Module):
    """Self-attention of several heads, with one projection for queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Attend from every position to all."""
        batch, length, width = x.shape
        heads = self.project(x).reshape(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = heads[0], heads[1], heads[2]
        weights = (query @ key.transpose(-2, -1) / math.sqrt(WIDTH // HEADS)).softmax(dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, length, width))


class EncoderBlock(nn.Module):
    """A block of a vision transformer: attention and a perceptron, normalized before."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.perceptron = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * WIDTH, WIDTH), nn.Dropout(0.1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what both parts make of the input to it."""
        x = x + self.attention(self.first(x))
        return x + self.perceptron(self.second(x))


class VisionTransformer(nn.Module):
    """A ViT: patches of an image, a token for its class, `depth` encoder blocks, a classifier."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.zeros(1, 17, WIDTH))
        self.blocks = nn.Sequential(*(EncoderBlock() for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TAGS)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.size(0), -1, -1), patches], dim=1) + self.positions
        return self.head(self.norm(self.blocks(tokens))[:, 0])


class DecoderBlock(nn.Module):
    """A block of a language model: masked attention with a projection for each part, and a gated perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.gate, self.up, self.down = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend to what comes before, and add what both parts make of the input to it."""
        batch, length = x.size(0), x.size(1)
        normed = self.first(x)
        query, key, value = (
            part(normed).view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        scores = torch.matmul(query, key.transpose(2, 3)).masked_fill(mask, float("-inf"))
        read = torch.matmul(F.softmax(scores, dim=-1), value)
        x = x + self.out(read.transpose(1, 2).contiguous().view(batch, length, WIDTH))
        normed = self.second(x)
        return x + self.down(F.silu(self.gate(normed)) * self.up(normed))


class LanguageModel(nn.Module):
    """A stack of `depth` transformer blocks between an embedding of words and what word comes next."""

    mask: Tensor

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.blocks = nn.ModuleList(DecoderBlock() for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS)
        self.register_buffer("mask", torch.ones(6, 6).triu(1).bool())

    def forward(self, words: Tensor) -> Tensor:
        """Return how likely each word is after each."""
        x = self.words(words)
        for block in self.blocks:
            x = block(x, self.mask)
        return self.head(self.norm(x))


class Tagger(nn.Module):
    """A tagger of words: an embedding, `depth` LSTMs in both directions, a linear layer for the tags."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.lstms = nn.ModuleList(
            nn.LSTM(WIDTH, WIDTH // 2, batch_first=True, bidirectional=True) for _ in range(depth)
        )
        self.mix = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(depth))
        self.dropout, self.tags = nn.Dropout(0.1), nn.Linear(WIDTH, TAGS)

    def forward(self, words: Tensor) -> Tensor:
        """Return how likely each tag is for each word."""
        x = self.words(words)
        for lstm, mix in zip(self.lstms, self.mix, strict=True):
            read, _ = lstm(x)
            x = x + torch.tanh(mix(self.dropout(read)))
        return F.log_softmax(self.tags(x), dim=-1)


def _values() -> Tensor:
    return torch.randn(2, WIDTH)


def _images() -> Tensor:
    return torch.randn(2, 3, 16, 16)


def _sentences() -> Tensor:
    return torch.randint(WORDS, (2, 6))


@dataclass(frozen=True)
class Architecture:
    """A model of any depth.

    Attributes
    ----------
    name
        What it is, in words.
    make
        Makes it, of a depth.
    example
        Makes an input.
    is_fused
        Whether convolutions and their normalizations are fused before `prepare` is called, as `prepare_fx` does.
    """

    name: str
    make: Callable[[int], nn.Module]
    example: Callable[[], Tensor]
    is_fused: bool = False


_ARCHITECTURES = (
    Architecture("a chain", Chain, _values),
    Architecture("a fan-out", FanOut, _values),
    Architecture("a list", LongList, _values),
    Architecture("ResNet", ResNet, _images, is_fused=True),
    Architecture("MobileNetV2", MobileNet, _images, is_fused=True),
    Architecture("ViT", VisionTransformer, _images),
    Architecture("transformer", LanguageModel, _sentences),
    Architecture("LSTM tagger", Tagger, _sentences),
)

ARCHITECTURES = {one.name: one for one in _ARCHITECTURES}
"""All models, by name."""
