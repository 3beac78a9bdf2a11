"""Rare calls about what operators read: which of it is a tensor, a number, or neither."""

from __future__ import annotations

from .rarity import BYTES, Rarity, backend, forward, observed, own_class, with_parts

RARE_ARGUMENTS = (
    *(
        Rarity(
            f"an input with a default, {default}, of which {what} is given",
            (f"def forward(self, x0, x1={default}):", f"    return F.hardswish({read})"),
            given,
        )
        for default, read in (("2.0", "x0 * x1"), ("(2, 4)", "x0.reshape(x1)"))
        for what, given in (
            ("no example", ()),
            ("an example", (f"given.example_inputs = torch.randn(2, 4), {default}",)),
        )
    ),
    Rarity(
        "an input that is a tensor, and a number by default",
        ("def forward(self, x0, x1=1):", "    return F.hardswish(x0) + x1"),
        ("given.example_inputs = torch.randn(2, 4), torch.randn(2, 4)",),
    ),
    Rarity(
        "an input that is a tensor, and nothing by default",
        ("def forward(self, x0, x1=None):", "    return F.hardswish(x0) + x1"),
        ("given.example_inputs = torch.randn(2, 4), torch.randn(2, 4)",),
    ),
    Rarity(
        "inputs without a name, a tensor and a number",
        ("def forward(self, x0, *more):", "    return torch.cat([F.hardswish(x0), more[0]]) * more[1]"),
        ("given.example_inputs = torch.randn(2, 4), torch.randn(2, 4), 2",),
    ),
    Rarity(
        "an input by keyword alone",
        ("def forward(self, x0, **more):", "    return F.hardswish(x0)"),
    ),
    *(
        Rarity(
            f"a module that is called like the method {name}, which takes two tensors",
            with_parts(f"self.{name} = nn.Bilinear(4, 4, 4)", f"return self.{name}(F.hardswish(x0), F.hardswish(x0))"),
            own_class("nn.Bilinear", "first, second"),
            ("custom-modules",),
        )
        for name in ("repeat", "masked_fill", "size", "transpose")
    ),
    Rarity("a number before a tensor", forward("return 2 + F.hardswish(x0)")),
    Rarity("a tensor for a number", forward("y = F.hardswish(x0)", "return y.repeat(y.count_nonzero(), 1)")),
    Rarity("a part of what sorting gives", forward("return F.hardswish(torch.sort(x0)[0])")),
    Rarity("no dimension, in an empty tuple", forward("return F.hardswish(x0).mean(())")),
    Rarity("a function that is named like a method which the backend knows", forward("return torch.detach(x0)")),
    Rarity("a part of a mask", forward("return F.hardswish(x0) + (x0 > 0)[0]")),
    *(
        Rarity(
            f"{what} of a dynamic operator",
            forward(f"return {function}({arguments})"),
            (
                observed("tq.PlaceholderObserver.with_args(dtype=torch.quint8, is_dynamic=True)"),
                *backend(function, "tb.DTypeConfig(torch.quint8, torch.float, is_dynamic=True)"),
            ),
            ("backend-configs", "dynamic"),
        )
        for what, function, arguments in (
            ("keywords in another order than the parameters", "torch.matmul", "other=x0.t(), input=x0"),
            ("the list", "torch.cat", "[x0, x0.sin()]"),
        )
    ),
    *(
        Rarity(f"a value for a number, {method}({arguments})", forward(f"return F.hardswish(x0).{method}({arguments})"))
        for method, arguments in (
            ("repeat", "x0.dim(), 1"),
            ("repeat", "1, x0.dim()"),
            ("view", "x0.dim(), -1"),
            ("view", "-1, x0.dim()"),
            ("view", "(x0.dim(), -1)"),
            ("reshape", "x0.dim(), -1"),
            ("reshape", "-1, x0.dim()"),
            ("permute", "x0.dim() - 1, 0"),
            ("permute", "1, x0.dim() - 2"),
            ("unsqueeze", "x0.dim() - 1"),
            ("unsqueeze_", "x0.dim() - 1"),
            ("transpose", "x0.dim() - 1, 0"),
            ("transpose", "0, x0.dim() - 1"),
            ("size", "x0.dim() - 1"),
            ("unsqueeze", "dim=x0.dim() - 1"),
            ("transpose", "dim0=x0.dim() - 1, dim1=0"),
            ("transpose", "dim0=0, dim1=x0.dim() - 1"),
            ("size", "dim=x0.dim() - 1"),
        )
    ),
    *(
        Rarity(
            f"a mask that has come a long way, by {method}",
            ("def forward(self, x0, x1):", f"    return F.hardswish(x0).masked_fill(x1{f'.{call}' * 4}, 0.0)"),
            ("given.example_inputs = torch.randn(2, 4), torch.randn(2, 4) > 0",),
        )
        for method, call in (("transpose", "transpose(0, 1)"), ("reshape", "reshape(2, 4)"))
    ),
    Rarity(
        "a mask that another operator stands beside",
        ("def forward(self, x0, x1):", "    return F.hardswish(x0.masked_fill(x1, 0.0)) + x0"),
        ("given.example_inputs = torch.randn(2, 4), torch.randn(2, 4) > 0",),
    ),
    *(
        Rarity(f"a tensor times {number}", forward(f"return F.hardswish(x0) * {number}"))
        for number in (
            "x0.ndim",
            "x0.dim()",
            "x0.shape[0]",
            "x0.size(0)",
            "x0.shape.numel()",
            "(x0.ndim + x0.dim())",
            "x0.shape[1:][0]",
            "x0.size()[:-1][-1]",
        )
    ),
    Rarity(
        "a number that is computed from a part of a size",
        forward("n = x0.size()[0] * 2", "return F.hardswish(x0).reshape(n, -1)"),
    ),
    Rarity(
        "a mask of several",
        forward("y = F.hardswish(x0)", "return y.repeat(2, 1).masked_fill(torch.cat([x0 > 0, x0 > 1]), 0.0)"),
    ),
    Rarity("a value to fill in, as a value", forward("return F.hardswish(x0).masked_fill(x0 > 0, x0.mean())")),
    Rarity("a value to fill in, by keyword", forward("return F.hardswish(x0).masked_fill(x0 > 0, value=x0.mean())")),
    Rarity(
        "a result that is no tensor",
        with_parts("self.linear = nn.Linear(4, 4)", "return F.hardswish(self.linear(x0)).size(0)"),
        (
            *backend("F.hardswish", BYTES),
            "other = tb.BackendPatternConfig(nn.Linear).add_dtype_config(tb.DTypeConfig(*[torch.qint8] * 3))",
            "given.backend_config.set_backend_pattern_config(other)",
        ),
        ("backend-configs",),
    ),
    Rarity(
        "no input at all",
        (
            *("def __init__(self):", "    super().__init__()", "    self.linear = nn.Linear(4, 4)"),
            *("    self.start = nn.Parameter(torch.randn(2, 4))", ""),
            *("def forward(self):", "    return self.linear(self.start)"),
        ),
        ("given.example_inputs = ()",),
    ),
    *(
        Rarity(
            f"a weight that is {what}",
            with_parts("self.weight = nn.Parameter(torch.randn(2, 4, 4))", f"return F.linear(x0, self.weight{read})"),
        )
        for what, read in (("a part of a tensor", "[0]"), ("computed", ".sum(0)"))
    ),
    Rarity(
        "a weight that is an input",
        ("def forward(self, x0, x1):", "    return F.linear(x0, x1)"),
        ("given.example_inputs = torch.randn(2, 4), torch.randn(4, 4)",),
    ),
    Rarity(
        "a tensor to write into",
        forward("y, z = F.hardswish(x0), torch.zeros_like(x0)", "torch.add(y, x0, out=z)", "return z + 1"),
    ),
)
"""All of them."""
