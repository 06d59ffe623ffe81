"""The Python subset that kernels are written in: its types and its rules, for any back end.

    def axpy(a, x, y, out, start, stop):
        for i in range(start, stop):
            out[i] = a * x[i] + y[i]

It is Python that a person reads and Numba would accept: flat arrays and numbers, `for i in
range(...)`, `while`, `if`, assignments, subscripts, arithmetic, `a if c else b`, and calls of
casts (`f32(x)`), intrinsics (below) and library functions (`kernels/vecmath.py`).

- A value has one type: bool, i8 .. i64, u8 .. u64, f32, f64. Operands must agree; a literal takes
  the type of the operand beside it, also by way of a name. A variable keeps its first type; one
  that a loop or a branch changes must have it by then (`s = f32(0)`), or it is f64 or i64.
- f16 and bf16 exist in arrays only: a load gives f32, a store rounds. `f16(x)` and `bf16(x)` round
  an f32 to what such an array would hold.
- Both arms of `a if c else b` are evaluated, and both sides of `and`, `or`: loads in them must be
  in range. A variable first assigned inside a loop or a branch is gone after it.
- `a * b + c` written as one expression is one fused multiply-add where the CPU has it, so that a
  vector loop and its scalar remainder round alike. Nothing else is contracted or reordered, but
  `s += x` (and `s *= x`) on a number that a loop carries: such a sum may be taken in any order.
- `//` and `%` on integers are Python's; `quotient` and `rem` are lax's (towards zero; x / 0 = -1,
  rem(x, 0) = x).

`Reader` walks a function and calls a method for each thing it meets; `kernels/llvm.py` and
`kernels/numba_cpu.py` implement these methods.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NoReturn

from kernels.grammar import (
    ALLOWED, BINARY, BITS, CASTS, COMPARE, CONSTANTS, INTRINSICS, STORED, KernelError, Library,
    Parameter, Typed, assigned_names, is_float, kind_of, size_of,
)


# ---- the walk --------------------------------------------------------------------------------


class Reader:
    """Walks one kernel. `env` holds what each variable is now.

    A back end implements `constant`, `cast`, `unary`, `binary`, `fused`, `compare`, `select`,
    `intrinsic`, `load`, `store`, `assign`, `call`, `loop`, `while_loop`, `branch`.
    """

    def __init__(self, libraries: tuple[Library, ...], file: str):
        self.libraries = libraries
        self.file = file
        self.env: dict[str, Typed] = {}
        self.arrays: dict[str, Parameter] = {}
        self.carried: set[str] = set()  # numbers that the loop around carries

    # ---- errors

    def fail(self, node: ast.AST, message: str) -> NoReturn:
        where = f"{self.file}, line {getattr(node, 'lineno', '?')}"
        raise KernelError(f"{message}\n  in `{ast.unparse(node)}` ({where})")

    # ---- literals and agreement

    def typed(self, node: ast.AST, value: Typed, dtype: str) -> Any:
        """The value, which must have the type `dtype`; a literal takes it."""
        text, own = value
        if own == dtype:
            return text
        if own is not None:
            self.fail(node, f"a value of type {own} where {dtype} is needed: write {dtype}(...)")
        if not is_float(dtype):
            whole = dtype == "bool" or isinstance(text, float) and not text.is_integer()
            if whole and text not in (True, False):
                self.fail(node, f"the literal {text} is no {dtype}")
            if dtype != "bool":
                text, size = int(text), size_of(dtype)
                if not -(1 << size - 1) <= text < 1 << size:  # masks are written unsigned
                    self.fail(node, f"the literal {text} does not fit into {dtype}")
        return self.constant(text, dtype)

    def agree(self, node: ast.AST, *values: Typed) -> tuple[list[Any], str | None]:
        """The values in their one type: None if all are literals."""
        dtype = None
        for _, own in values:
            if own is not None and own != dtype:
                if dtype is not None:
                    self.fail(node, f"operands of types {dtype} and {own}: cast one of them")
                dtype = own
        if dtype is None:
            return [text for text, _ in values], None
        return [self.typed(node, value, dtype) for value in values], dtype

    def settled(self, value: Typed) -> Typed:
        """A literal that nothing stands beside has Python's type."""
        text, dtype = value
        if dtype is not None:
            return value
        dtype = "bool" if isinstance(text, bool) else "f64" if isinstance(text, float) else "i64"
        return self.constant(text, dtype), dtype

    # ---- expressions

    def expression(self, node: ast.expr) -> Typed:
        method = getattr(self, "read_" + type(node).__name__, None)
        if method is None:
            self.fail(node, f"{type(node).__name__} is not in the kernels' subset")
        return method(node)

    def number(self, node: ast.expr, dtype: str) -> Any:
        return self.typed(node, self.expression(node), dtype)

    def read_Constant(self, node: ast.Constant) -> Typed:
        if not isinstance(node.value, bool | int | float):
            self.fail(node, "only numbers are literals")
        return (self.constant(node.value, "bool"), "bool") if isinstance(node.value, bool) \
            else (node.value, None)

    def read_Name(self, node: ast.Name) -> Typed:
        if node.id in self.env:
            return self.env[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id], None
        if node.id in self.arrays:
            self.fail(node, f"the array {node.id} needs a subscript")
        self.fail(node, f"{node.id} has no value here (one assigned inside a loop or a branch ends "
                        "with it: assign it before)")

    def read_UnaryOp(self, node: ast.UnaryOp) -> Typed:
        value, dtype = self.expression(node.operand)
        match node.op:
            case ast.UAdd():
                return value, dtype
            case ast.USub() if dtype is None:
                return -value, None
            case ast.USub() if dtype != "bool":
                return self.unary("-", dtype, value), dtype
            case ast.Not() if dtype == "bool":
                return self.unary("not", dtype, value), dtype
            case ast.Invert() if dtype is None:
                return ~value, None
            case ast.Invert() if not is_float(dtype):
                return self.unary("not" if dtype == "bool" else "~", dtype, value), dtype
        self.fail(node, f"no such operation on {dtype}")

    def read_BinOp(self, node: ast.BinOp) -> Typed:
        op = BINARY.get(type(node.op))
        if op is None:
            self.fail(node, f"{type(node.op).__name__} is not in the kernels' subset")
        if op in "+-":
            for product, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
                    return self.sum_of_product(node, op, product, other)
        return self.arithmetic(node, op, self.expression(node.left), self.expression(node.right))

    def sum_of_product(self, node, op: str, product: ast.BinOp, other: ast.expr) -> Typed:
        """a * b + c, a * b - c and c - a * b; fused for floats."""
        a, b = self.expression(product.left), self.expression(product.right)
        c = self.expression(other)
        if a[1] is None and b[1] is None or not is_float(a[1] or b[1]):
            term = self.arithmetic(product, "*", a, b)
            pair = (term, c) if product is node.left else (c, term)
            return self.arithmetic(node, op, *pair)
        (a, b, c), dtype = self.agree(node, a, b, c)
        if op == "-":
            if product is node.left:
                c = self.unary("-", dtype, c)
            else:
                a = self.unary("-", dtype, a)
        return self.fused(dtype, a, b, c, ""), dtype

    def arithmetic(self, node: ast.AST, op: str, left: Typed, right: Typed,
                   flags: str = "") -> Typed:
        (a, b), dtype = self.agree(node, left, right)
        if dtype is None:
            try:
                return eval(f"a {op} b", {"a": a, "b": b}), None
            except (ArithmeticError, TypeError) as error:
                self.fail(node, f"literals: {error}")
        if kind_of(dtype) not in ALLOWED[op]:
            self.fail(node, f"`{op}` is not for {dtype}")
        return self.binary(op, dtype, a, b, flags), dtype

    def read_Compare(self, node: ast.Compare) -> Typed:
        if len(node.ops) != 1 or type(node.ops[0]) not in COMPARE:
            self.fail(node, "one comparison at a time: a < b and b < c")
        op = COMPARE[type(node.ops[0])]
        left, right = self.expression(node.left), self.expression(node.comparators[0])
        (a, b), dtype = self.agree(node, left, right)
        if dtype is None:
            return self.constant(eval(f"a {op} b", {"a": a, "b": b}), "bool"), "bool"
        return self.compare(op, dtype, a, b), "bool"

    def read_BoolOp(self, node: ast.BoolOp) -> Typed:
        op = "&" if isinstance(node.op, ast.And) else "|"
        result = self.number(node.values[0], "bool")
        for value in node.values[1:]:
            result = self.binary(op, "bool", result, self.number(value, "bool"), "")
        return result, "bool"

    def read_IfExp(self, node: ast.IfExp) -> Typed:
        test = self.number(node.test, "bool")
        arms = self.expression(node.body), self.expression(node.orelse)
        (a, b), dtype = self.agree(node, *arms)
        if dtype is None:
            (a, dtype), (b, other) = map(self.settled, arms)
            if dtype != other:
                self.fail(node, "the two literals differ in type")
        return self.select(dtype, test, a, b), dtype

    def element(self, node: ast.Subscript) -> tuple[Parameter, Any]:
        if not (isinstance(node.value, ast.Name) and node.value.id in self.arrays):
            self.fail(node, "only array parameters have subscripts")
        return self.arrays[node.value.id], self.index(node.slice)

    def index(self, node: ast.expr) -> Any:
        return self.number(node, "i64")

    def read_Subscript(self, node: ast.Subscript) -> Typed:
        array, index = self.element(node)
        return self.load(array, index), STORED.get(array.dtype, array.dtype)

    def read_Call(self, node: ast.Call) -> Typed:
        if not isinstance(node.func, ast.Name) or node.keywords:
            self.fail(node, "calls are of plain names, with positional arguments")
        name = node.func.id
        args = [self.expression(arg) for arg in node.args]
        if name in CASTS and len(args) == 1:
            return self.converted(node, args[0], CASTS[name])
        if name in ("per_type", "like"):
            return self.literal_like(node, name, args)
        if name in INTRINSICS:
            return self.intrinsic_call(node, name, args)
        first = next((dtype for _, dtype in args if dtype is not None), None)
        for library in self.libraries:
            function = library.find(name, first)
            if function is not None:
                break
        else:
            self.fail(node, f"no function {name} for {first}")
        if len(function.args.args) != len(args):
            self.fail(node, f"{name} takes {len(function.args.args)} arguments")
        if first is None:
            args = [self.settled(arg) for arg in args]
        args = [(self.typed(node, arg, first), first) if arg[1] is None else arg for arg in args]
        return self.call(node, function, args, library.name)

    def literal_like(self, node: ast.AST, name: str, args: list[Typed]) -> Typed:
        """`per_type(x, for_f32, for_f64)`, a literal; `like(x, literal)`, a constant."""
        (_, dtype), *literals = args
        if name == "like" and len(literals) == 1:
            return self.typed(node, literals[0], dtype), dtype
        if len(literals) != 2 or any(t for _, t in literals):
            self.fail(node, f"{name} takes a value, then literals")
        if not is_float(dtype):
            self.fail(node, f"{name} is not for {dtype}")
        return literals[0 if dtype == "f32" else 1]

    def converted(self, node: ast.AST, value: Typed, dtype: str) -> Typed:
        text, own = value
        if dtype in STORED:
            return self.rounded(self.typed(node, value, "f32"), dtype), "f32"
        if own is None:
            if not is_float(dtype) and isinstance(text, float):
                text = int(text)
            return self.typed(node, (text, None), dtype), dtype
        return (text if own == dtype else self.cast(text, own, dtype)), dtype

    def intrinsic_call(self, node: ast.Call, name: str, args: list[Typed]) -> Typed:
        count, kinds = INTRINSICS[name]
        if len(args) != count:
            self.fail(node, f"{name} takes {count} arguments")
        values, dtype = self.agree(node, *args)
        if dtype is None:
            values, types = zip(*map(self.settled, args))
            dtype = types[0]
            if len(set(types)) > 1:
                self.fail(node, "the literals differ in type")
        if kind_of(dtype) not in kinds or name in ("bits", "unbits") and dtype not in BITS:
            self.fail(node, f"{name} is not for {dtype}")
        result = self.intrinsic(name, dtype, values)
        if name in ("bits", "unbits"):
            return result, BITS[dtype]
        return result, "bool" if name in ("isnan", "isfinite") else dtype

    # ---- statements

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            method = getattr(self, "do_" + type(statement).__name__, None)
            if method is None:
                self.fail(statement, f"{type(statement).__name__} is not in the kernels' subset")
            method(statement)

    def do_Pass(self, node: ast.Pass) -> None:
        pass

    def do_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.fail(node, "an expression by itself does nothing")

    def do_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if len(node.targets) != 1:
            self.fail(node, "one target at a time")
        if isinstance(target, ast.Tuple):
            values = self.several(node.value)
            if len(values) != len(target.elts):
                self.fail(node, f"{len(target.elts)} targets, {len(values)} values")
            for name, value in zip(target.elts, values):
                self.set(node, name, value)
        else:
            self.set(node, target, self.expression(node.value))

    def several(self, node: ast.expr) -> list[Typed]:
        """The parts of a tuple, written out or returned by a library function."""
        if isinstance(node, ast.Tuple):
            return [self.expression(part) for part in node.elts]
        value = self.expression(node)
        if not isinstance(value[1], tuple):
            self.fail(node, "not a tuple")
        return list(zip(*value))

    def set(self, node: ast.stmt, target: ast.expr, value: Typed) -> None:
        if isinstance(target, ast.Subscript):
            array, index = self.element(target)
            dtype = STORED.get(array.dtype, array.dtype)
            self.store(array, index, self.typed(node, value, dtype))
        elif isinstance(target, ast.Name):
            if target.id in self.arrays:
                self.fail(node, f"the array {target.id} cannot be assigned to")
            dtype = self.env[target.id][1] if target.id in self.env else None
            if dtype is not None:
                self.assign(target.id, self.typed(node, value, dtype), dtype)
            elif value[1] is None:
                self.env[target.id] = value  # a name for a literal
            else:
                self.assign(target.id, *value)
        else:
            self.fail(node, "a target is a name or a subscript")

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        op, target, value = BINARY.get(type(node.op)), node.target, node.value
        if op is None:
            self.fail(node, f"{type(node.op).__name__} is not in the kernels' subset")
        if isinstance(target, ast.Subscript):
            array, index = self.element(target)
            left = self.load(array, index), STORED.get(array.dtype, array.dtype)
            result, dtype = self.arithmetic(node, op, left, self.expression(value))
            self.store(array, index, result)
            return
        left = self.read_Name(target)
        flags = "reassoc nsz" if op in "+-*" and target.id in self.carried \
            and is_float(left[1]) else ""
        product = value if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) else None
        if op == "+" and product and is_float(left[1]):  # s += a * b
            factors = self.expression(product.left), self.expression(product.right)
            if any(dtype is not None for _, dtype in factors):
                (a, b, c), dtype = self.agree(node, *factors, left)
                self.assign(target.id, self.fused(dtype, a, b, c, flags), dtype)
                return
        result = self.arithmetic(node, op, left, self.expression(value), flags)
        self.assign(target.id, *result)

    def do_For(self, node: ast.For) -> None:
        call = node.iter
        if not (isinstance(node.target, ast.Name) and isinstance(call, ast.Call) and not node.orelse
                and isinstance(call.func, ast.Name) and call.func.id == "range"
                and 1 <= len(call.args) <= 3):
            self.fail(node, "loops are `for i in range(start, stop, step)`")
        if node.target.id in self.arrays:
            self.fail(node, f"the array {node.target.id} cannot be assigned to")
        step = 1
        if len(call.args) == 3:
            step = self.expression(call.args[2])[0]
            if not isinstance(step, int) or step <= 0:
                self.fail(node, "the step of a loop is a positive literal")
        self.settle(assigned_names(node))
        bounds = [self.number(arg, "i64") for arg in call.args[:2]]
        start, stop = bounds if len(bounds) == 2 else (self.constant(0, "i64"), bounds[0])
        carried = [n for n in assigned_names(node) if n in self.env and n != node.target.id]
        outer, self.carried = self.carried, self.carried.union(carried)
        self.loop(node, node.target.id, start, stop, step, carried)
        self.carried = outer

    def settle(self, names: tuple[str, ...]) -> None:
        """Literals that are about to vary have a type."""
        for name in names:
            if name in self.env and self.env[name][1] is None:
                self.assign(name, *self.settled(self.env[name]))

    def do_While(self, node: ast.While) -> None:
        self.settle(assigned_names(node))
        carried = [n for n in assigned_names(node) if n in self.env]
        self.while_loop(node, carried)

    def do_If(self, node: ast.If) -> None:
        self.settle(assigned_names(node))
        test = self.number(node.test, "bool")
        self.branch(node, test, [n for n in assigned_names(node) if n in self.env])

    def scoped(self, body: Callable[[], None]) -> dict[str, Typed]:
        """Run a body; what it newly assigns is gone after it. Returns its variables."""
        before = set(self.env)
        body()
        after = self.env
        self.env = {name: value for name, value in after.items() if name in before}
        return after

    def returned(self, function: ast.FunctionDef) -> Typed:
        """The value of a library function's body: statements, then one `return`."""
        *body, last = function.body
        self.block(body)
        if not (isinstance(last, ast.Return) and last.value is not None):
            self.fail(last, "a function ends with `return`")
        if isinstance(last.value, ast.Tuple):
            values, types = zip(*(self.settled(self.expression(v)) for v in last.value.elts))
            return values, types  # type: ignore[return-value]
        return self.settled(self.expression(last.value))

    # ---- what a back end implements

    def constant(self, number: Any, dtype: str) -> Any: raise NotImplementedError
    def cast(self, value: Any, source: str, target: str) -> Any: raise NotImplementedError
    def rounded(self, value: Any, dtype: str) -> Any: raise NotImplementedError
    def unary(self, op: str, dtype: str, a: Any) -> Any: raise NotImplementedError
    def binary(self, op, dtype, a, b, flags) -> Any: raise NotImplementedError
    def fused(self, dtype, a, b, c, flags) -> Any: raise NotImplementedError
    def compare(self, op: str, dtype: str, a: Any, b: Any) -> Any: raise NotImplementedError
    def select(self, dtype: str, test: Any, a: Any, b: Any) -> Any: raise NotImplementedError
    def intrinsic(self, name: str, dtype: str, args: Any) -> Any: raise NotImplementedError
    def load(self, array: Parameter, index: Any) -> Any: raise NotImplementedError
    def store(self, array: Parameter, index: Any, value: Any) -> None: raise NotImplementedError
    def assign(self, name: str, value: Any, dtype: str) -> None: raise NotImplementedError
    def call(self, node, function, args, file) -> Typed: raise NotImplementedError
    def loop(self, node, name, start, stop, step, carried) -> None: raise NotImplementedError
    def while_loop(self, node, carried) -> None: raise NotImplementedError
    def branch(self, node, test, carried) -> None: raise NotImplementedError
