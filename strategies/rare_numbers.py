"""Calls that are right and rare because of a number that the graph computes, such as a size or a dimension."""

from __future__ import annotations

from .rarity import EQUALIZED, Rarity, calling, forward, with_parts

_ZEROS = "self.call(x0, torch.zeros"

RARE_NUMBERS = (
    *(
        Rarity(f"a new tensor of {what}", calling(forward(f"return x0 + self.call(x0, torch.{call})")))
        for what, call in (
            ("floats up to a size that is computed", "arange, 0.0, x0.size(1)"),
            ("whole numbers up to a size that is computed", "arange, x0.size(1)"),
            ("whole numbers, all the same", "full, (4,), 1"),
            ("floats, all the same", "full, (4,), fill_value=1.0"),
            ("whole numbers, like another one", "ones_like, self.call(x0, torch.full, (4,), 1)"),
        )
    ),
    *(
        Rarity(
            f"equalization of a convolution whose {what} the graph computes",
            calling(
                with_parts(
                    "self.weight = nn.Parameter(torch.randn(4, 2, 1, 1))",
                    "y = x0.reshape(1, 4, 2, 1)",
                    f"return self.call(x0, F.conv2d, y, self.weight, None, {arguments})",
                )
            ),
            EQUALIZED,
            ("equalization",),
        )
        for what, arguments in (
            ("groups", "1, 0, 1, x0.size(0)"),
            ("groups, by keyword,", "groups=x0.size(0)"),
            ("padding", "1, x0.size(0), 1, 2"),
            ("padding, in one dimension,", "1, (x0.size(0), 0), 1, 2"),
        )
    ),
    *(
        Rarity(f"a list with {what}", calling(forward(f"return self.call(x0, {call})")))
        for what, call in (
            ("zeros of a size that is computed", f"torch.cat, [x0, {_ZEROS}, 1, x0.size(1))]"),
            (
                "zeros of a size that is computed, as a tuple",
                f"torch.cat, [F.hardswish(x0), {_ZEROS}, (1, x0.size(1)))]",
            ),
            ("zeros of a size that is computed, first", f"torch.cat, [{_ZEROS}, 1, x0.size(1)), x0]"),
            ("zeros of a size that is computed, reshaped", f"torch.cat, [x0, {_ZEROS}, x0.size(1)).reshape(1, 4)]"),
            ("zeros like another value", "torch.cat, [x0, x0.new_zeros(1, x0.size(1))]"),
        )
    ),
    *(
        Rarity(
            f"a value for a dimension, torch.{function}(y, {arguments})",
            calling(
                forward(
                    "y, last = F.hardswish(x0), x0.dim() - 1", f"return self.call(x0, torch.{function}, y, {arguments})"
                )
            ),
        )
        for function, arguments in (
            ("unsqueeze", "last"),
            ("unsqueeze", "dim=last"),
            ("transpose", "last, 0"),
            ("transpose", "0, last"),
            ("transpose", "dim0=0, dim1=last"),
        )
    ),
)
"""All of them."""
