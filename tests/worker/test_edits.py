"""Small changes of a function are found by their kinds, and say what the student wrote."""

import ast

import pytest

from grader.grading.edits import texts
from grader.worker import edits
from grader.worker.operations.edited import _counting, listed
from grader.worker.student import student

CASES = {  # a function as it is, what is returned after one edit, and what the edit says
    "dimension": ("x.sum(dim=0)", "x.sum(dim=1)", "0"),
    "index": ("h[-1]", "h[-2]", "-1"),
    "bound": ("x[:n]", "x[:n + 1]", ""),
    "setting": ("pad_sequence(x, batch_first=False)", "pad_sequence(x, batch_first=True)", None),
    "operator": ("f + h", "f * h", "+"),
    "comparison": ("f < h", "f <= h", "<"),
    "sides": ("f - h", "h - f", "-"),
    "sign": ("-f * h", "f * h", ""),
    "order": ("torch.cat([f, h])", "torch.cat([h, f])", ""),
    "function": ("torch.tanh(f)", "torch.sigmoid(f)", "tanh"),
    "argument-missing": ("sorted(x)", "sorted(x, reverse=True)", "reverse"),
    "term": ("f * h + x", "f * h", "x"),
    "not": ("x[~f]", "x[f]", ""),
    "branches": ("f if x else h", "h if x else f", ""),
    "call-extra": ("torch.tanh(f.detach())", "torch.tanh(f)", ".detach()"),
    "argument-extra": ("x.sum(1, keepdim=True)", "x.sum(1)", "keepdim"),
    "index-extra": ("x[0]", "x", ""),
    "number": ("f ** 3", "f ** 2", "3"),
    "name": ("f * x", "f * h", "x"),
    "instead-of": ("f * torch.zeros(2)", "f * h", "h"),
    "minus-missing": ("f * h", "f * -h", "h"),
    "rest-of-one": ("f * h", "f * (1 - h)", "h"),
    "call-missing": ("f * h", "f * h.tanh()", "`tanh` is missing around `h`"),
    "value-missing": ("f(h)", "f(h, x)", "x"),
    "same-object": ("[x.new(2)] * n", "[x.new(2) for _ in range(n)]", ""),
    "brackets": ("f @ (h + x)", "f @ h + x", ""),
    "exchanged": ("f - h * f", "h - f * h", "h"),
    "attribute": ("x.total / h.count", "x.total / h.total", "count"),
    "key": ("x['loss'] / h['count']", "x['loss'] / h['loss']", "'count'"),
    "part-of-it": ("torch.cat(x)", "torch.cat(x[1:])", "x"),
}
MORE = {  # further edits of these kinds
    "operator": ("for h in x: n -= h\nreturn n", "for h in x: n += h\nreturn n"),
    "assignment": ("x.n = f\nreturn x", "x.n += f\nreturn x"),
    "order": ("return f(h, x, n)", "return f(n, x, h)"),
    "function": ("f(n)\nreturn h(x)", "f(n)\nreturn f(x)"),
    "name": (
        "for h in x:\n  f(n)\n  n = y\n  y = f(h)",
        "for h in x:\n  f(y)\n  n = y\n  y = f(h)",
    ),
}
BLOCKS = {  # whole bodies
    "condition": ("if f: x = h\nreturn x", "if not f: x = h\nreturn x"),
    "block-extra": ("with torch.no_grad():\n  x = f(h)\nreturn x", "x = f(h)\nreturn x"),
    "inside": ("for h in x:\n  f(h)\n  return h", "for h in x:\n  f(h)\nreturn h"),
    "outside": ("for h in x: f = h\nx.append(f)", "for h in x:\n  f = h\n  x.append(f)"),
    "lines-order": ("x = f\nf = h\nreturn x", "f = h\nx = f\nreturn x"),
    "result-lost": ("x.float()\nreturn x", "x = x.float()\nreturn x"),
    "result-extra": ("x = f(h)\nreturn x", "f(h)\nreturn x"),
    "assignment": ("x = f\nreturn x", "x += f\nreturn x"),
    "lines-extra": ("if f:\n  x = h\n  h = f\nreturn x", "return x"),
    "condition-extra": ("if f: x = h\nreturn x", "x = h\nreturn x"),
    "line-extra": ("x = f\nf = h\nreturn x", "x = f\nreturn x"),
    "direction": ("for h in x: f(h)", "for h in reversed(list(x)): f(h)"),
}


ALIKE = {
    "brackets": ("f @ (h + x) + n @ (x + h)", "f @ h + x + (n @ x + h)"),
    "call-missing": ("f @ h + n @ x", "f @ h.T + n @ x.T"),
    "function": ("f.tanh() * h.tanh()", "f.sigmoid() * h.sigmoid()"),
    "dimension": ("f.sum(dim=0) + h.sum(dim=0)", "f.sum(dim=1) + h.sum(dim=1)"),
}


def function(body: str) -> ast.FunctionDef:
    """Return a function of f, h, x and n with this body."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    (found,) = ast.parse(f"def g(f, h, x, n):\n{lines}").body
    assert isinstance(found, ast.FunctionDef)
    return found


def _codes(code: str) -> list[str]:
    """Return the code of all parts of an expression, and of the line that returns it."""
    nodes = ast.walk(ast.parse(code))
    return [f"return {code}", *(ast.unparse(each) for each in nodes if isinstance(each, ast.expr))]


def edited(body: str, kind: str) -> dict[str, edits.Edit]:
    """Return the edits of a kind by the code that they lead to."""
    tree, found = function(body), dict[str, edits.Edit]()
    own = ast.unparse(tree)
    for edit in edits.edits(tree, ["total", "count"]):
        if edit.kind == kind:
            with edit.made():
                found.setdefault(ast.unparse(ast.fix_missing_locations(tree)), edit)
            assert ast.unparse(tree) == own
    return found


@pytest.mark.parametrize("kind", CASES)
def test_an_expression_is_edited(kind: str) -> None:
    before, after, other = CASES[kind]
    edit = edited(f"return {before}", kind)[ast.unparse(function(f"return {after}"))]
    assert edit.line == 2
    assert set(edit.part.split("` and `")) <= {*_codes(before)}
    assert other is None or edit.other == other


def test_the_exponent_behind_a_factor_is_bracketed() -> None:
    found = edited("return n * x ** 1 / 4", "brackets")
    assert ast.unparse(function("return n * x ** (1 / 4)")) in found


@pytest.mark.parametrize("kind", ALIKE)
def test_the_same_mistake_is_edited_everywhere(kind: str) -> None:
    before, after = ALIKE[kind]
    edit = edited(f"return {before}", kind)[ast.unparse(function(f"return {after}"))]
    assert len(edit.changes) == 2


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_is_edited(kind: str) -> None:
    before, after = BLOCKS[kind]
    assert ast.unparse(function(after)) in edited(before, kind)


@pytest.mark.parametrize("kind", MORE)
def test_a_slip_in_a_longer_function_is_edited(kind: str) -> None:
    before, after = MORE[kind]
    assert ast.unparse(function(after)) in edited(before, kind)


def test_values_of_a_dict_are_exchanged() -> None:
    before, after = "return {'a': f, 'b': h, 'c': x}", "return {'a': x, 'b': h, 'c': f}"
    assert ast.unparse(function(after)) in edited(before, "order")


def test_a_variable_that_has_no_value_yet_is_not_tried() -> None:
    body = "y = f(h)\nz = f(y)\nreturn z"
    assert ast.unparse(function("y = f(x)\nz = f(y)\nreturn z")) in edited(body, "name")
    assert ast.unparse(function("y = f(z)\nz = f(y)\nreturn z")) not in edited(body, "name")


def test_the_function_that_went_wrong_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    source = b"""def first(x):
    return helper(x) + 1


def second(x):
    return first(x) * 2


def helper(x):
    return -x
"""
    monkeypatch.setitem(student.files, "m", source)
    lines = {
        names: [line for _, line, *_ in listed("m", [*names], 1000)]
        for names in (("first", "second"), ("second", "first"))
    }
    assert lines["first", "second"].index(6) > max(
        at for at, line in enumerate(lines["first", "second"]) if line in (2, 10)
    )
    assert {*lines["second", "first"]} == {2, 6, 10}
    assert lines["second", "first"][0] == 6
    assert lines["second", "first"][-1] in (2, 10)


def test_every_kind_has_a_case_and_a_text() -> None:
    assert {*edits.KINDS} == {*CASES, *BLOCKS} == {*texts()}


def test_loops_and_calls_of_an_edit_are_counted() -> None:
    """A list may grow while a loop goes through it, and a loop over a dataset may never end."""
    code = "class A:\n\n    def f(self, a):\n        for b in a:\n            a.append(b)\n"
    code += "        while a:\n            a.g()"
    (definition,) = ast.parse(code).body
    assert isinstance(definition, ast.ClassDef)
    counted = code.replace("in a:", "in __rounds__(a):").replace(
        "while a", "while __round__() and a"
    )
    counted = counted.replace("(self, a):\n", "(self, a):\n        __round__()\n")
    assert ast.unparse(_counting(definition)) == counted
    assert ast.unparse(definition) == code
