"""What `edits` exchanges, adds and removes."""

from __future__ import annotations

import ast

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult)
SYMBOLS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
    ast.FloorDiv: "//",
    ast.Pow: "**",
    ast.Mod: "%",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt, ast.NotEq),
    ast.GtE: (ast.Gt, ast.LtE, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}
# Functions and attributes that are taken for each other.
FAMILIES = (
    *(("tanh", "sigmoid", "relu"), ("softmax", "log_softmax"), ("log", "log2", "log10", "log1p")),
    *(("logsigmoid", "sigmoid", "log_sigmoid"), ("exp", "exp2", "log"), ("zeros", "ones")),
    *(("sum", "mean", "amax", "amin", "any", "all", "prod"), ("max", "min", "amax", "sum")),
    *(("argmax", "argmin"), ("chunk", "split"), ("floor", "ceil"), ("cat", "stack")),
    *(("zeros_like", "ones_like"), ("cumsum", "cumprod"), ("append", "extend"), ("len", "sum")),
    *(("sorted_indices", "unsorted_indices"), ("values", "indices"), ("weight", "bias")),
    *(("pad_sequence", "pack_sequence"), ("set", "list", "Counter"), ("eq", "ne")),
)
DIMENSION = ("dim", "axis", "dim0", "dim1")  # keywords
TAKE_DIMENSION = {
    *("sum", "mean", "amax", "amin", "any", "all", "prod", "max", "min", "argmax", "argmin"),
    *("cat", "stack", "chunk", "split", "flip", "roll", "unbind", "squeeze", "unsqueeze", "size"),
    *("softmax", "log_softmax", "cumsum", "cumprod", "transpose", "permute", "flatten", "norm"),
    *("gather", "select", "sort", "topk", "repeat_interleave", "unflatten", "logsumexp"),
}
ADDED: dict[str, tuple[tuple[str, bool | int | str], ...]] = {  # arguments that are forgotten
    "pad_sequence": (("batch_first", True),),
    "pad_packed_sequence": (("batch_first", True),),
    "pack_padded_sequence": (("batch_first", True), ("enforce_sorted", False)),
    "pack_sequence": (("enforce_sorted", False),),
    "cross_entropy": (("reduction", "sum"), ("reduction", "mean"), ("reduction", "none")),
    "nll_loss": (("reduction", "sum"), ("reduction", "mean")),
    "sorted": (("reverse", True),),
    "flatten": (("start_dim", 1),),
    **dict.fromkeys(("sum", "mean", "any", "all"), (("dim", 0), ("dim", 1), ("dim", -1))),
    **dict.fromkeys(("amax", "argmax", "softmax"), (("dim", 1), ("dim", 0), ("dim", -1))),
    **dict.fromkeys(("cat", "stack", "chunk", "split"), (("dim", 1), ("dim", 2), ("dim", -1))),
}
KEEP = {"sum", "mean", "any", "all", "amax", "max", "amin", "min", "argmax", "norm"}
NAMED = {"cross_entropy": "ignore_index", "nll_loss": "ignore_index", "randperm": "generator"}
SETTINGS = {  # values of keywords
    "reduction": ("mean", "sum", "none"),
    **dict.fromkeys(("batch_first", "enforce_sorted", "keepdim", "reverse"), (True, False)),
}
# What is forgotten around a value, `_`: the kind of the edit, and the code.
METHODS = ("tanh", "sigmoid", "detach", "exp", "log", "float", "long", "mean", "sum", "item")
LATER = ("clone", "tolist", "flatten", "contiguous", "squeeze", "mean(1)", "sum(1)", "any(2)")
BUILT_IN = (
    "range",
    "len",
    "list",
    "tuple",
    "int",
    "float",
    "math.exp",
    "torch.tensor",
)
AROUND = (
    *(("minus-missing", "-_"), ("rest-of-one", "1 - _"), ("call-missing", "_.T")),
    *(("call-missing", f"_.{name}()") for name in METHODS),
    *(("call-missing", f"_.unsqueeze({dim})") for dim in (-1, 0, 1)),
    *(("call-missing", f"_.transpose({dims})") for dims in ("0, 1", "1, 2")),
    *(("call-missing", f"{name}(_)") for name in BUILT_IN),
    *(("part-of-it", f"_[{index}]") for index in ("0", "1", "-1", "1:", ":-1")),
    *(("call-missing", f"_.{name}{'' if name.endswith(')') else '()'}") for name in LATER),
)
