"""Rare calls about the patterns of a backend: what they are made of, and which of them is found."""

from __future__ import annotations

from .rarity import BYTES, LAYER, LINEAR, Rarity, backend, beside, forward, with_parts

_NUMBER = backend(
    "",
    LAYER,
    "pattern._set_pattern_complex_format((torch.add, nn.Linear, 2))",
    "pattern._set_root_node_getter(lambda nodes: nodes[1])",
)

RARE_PATTERNS = (
    Rarity(
        "a pattern with a number",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), 2)"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity(
        "another number than that of a pattern",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), 3)"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity(
        "a pattern that is longer than another one by what is inside of it",
        with_parts(
            "self.linear = nn.Linear(4, 4); self.norm = nn.BatchNorm1d(4); self.relu = nn.ReLU()",
            "return self.relu(self.norm(self.linear(x0)))",
        ),
        (
            "short = tb.BackendPatternConfig((nn.BatchNorm1d, nn.ReLU))",
            "deep = tb.BackendPatternConfig()",
            "deep._set_pattern_complex_format((nn.ReLU, (nn.BatchNorm1d, nn.Linear)))",
            "known = short, deep, tb.BackendPatternConfig(nn.Linear)",
            "for pattern in known:",
            f"    pattern.add_dtype_config({LAYER})",
            "given.backend_config = tb.BackendConfig().set_backend_pattern_configs(known)",
        ),
        ("backend-configs",),
    ),
    Rarity(
        "a pattern of three functions, in the order of the data",
        with_parts(
            "self.weight = nn.Parameter(torch.randn(4, 4))", "return F.relu(F.hardswish(F.linear(x0, self.weight)))"
        ),
        backend("(F.linear, F.hardswish, F.relu)", LAYER),
        ("backend-configs",),
    ),
    Rarity(
        "a pattern of which a backend is told twice, and what it is told last counts",
        LINEAR,
        (
            *backend("nn.Linear", "tb.DTypeConfig(torch.qint8, torch.qint8, torch.qint8)"),
            *beside("nn.Linear", LAYER),
        ),
        ("backend-configs",),
    ),
    Rarity(
        "a pattern in which anything may stand, where a text does",
        forward('return torch.relu(torch.einsum("ij,kj->ik", x0, x0))'),
        (
            "anything = [torch.ao.quantization.utils.MatchAllNode] * 3",
            *backend(
                "",
                BYTES,
                "pattern._set_pattern_complex_format((torch.relu, (torch.einsum, *anything)))",
                "pattern._set_root_node_getter(lambda nodes: nodes[1][0])",
            ),
        ),
        ("backend-configs",),
    ),
    Rarity(
        "a root that is looked for among all nodes of a pattern, in which anything may stand",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.relu(torch.add(x0.sin(), self.linear(x0)))"),
        backend(
            "",
            LAYER,
            "anything = torch.ao.quantization.utils.MatchAllNode",
            "pattern._set_pattern_complex_format((torch.relu, (torch.add, anything, nn.Linear)))",
            'pattern._set_root_node_getter(lambda nodes: next(n for n in nodes[1][1:] if n.op == "call_module"))',
        ),
        ("backend-configs",),
    ),
    Rarity(
        "a pattern with a number, and a tensor in its place",
        with_parts("self.linear = nn.Linear(4, 4)", "return torch.add(self.linear(x0), F.hardswish(x0))"),
        _NUMBER,
        ("backend-configs",),
    ),
    Rarity(
        "a size where a pattern takes anything",
        forward("return torch.reshape(torch.transpose(x0, 0, 1), (-1,))"),
        backend(
            "",
            BYTES,
            "anything = torch.ao.quantization.utils.MatchAllNode",
            "pattern._set_pattern_complex_format((torch.reshape, torch.transpose, anything))",
            "pattern._set_root_node_getter(lambda nodes: nodes[1])",
        ),
        ("backend-configs",),
    ),
    Rarity(
        "a pattern's end behind another beginning",
        with_parts(
            "self.pool = nn.MaxPool2d(1); self.norm = nn.BatchNorm2d(2); self.relu = nn.ReLU()",
            "return self.relu(self.norm(self.pool(x0.reshape(1, 2, 2, 2))))",
        ),
    ),
    Rarity(
        "a module with a method's name",
        with_parts("self.sigmoid = nn.Softplus()", "return self.sigmoid(x0).sigmoid()"),
        backend('"sigmoid"', BYTES),
        ("backend-configs",),
    ),
)
"""All of them."""
