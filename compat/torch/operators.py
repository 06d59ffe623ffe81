"""Python's operators on Tensors: `x + y`, `2 ** x`. They decline operands they do not know."""

from __future__ import annotations

from compat.torch.pointwise import BINARY, UNARY, binary, pow, pow_pair, subtract

REFLECTED = {
    "rsub": (lambda input, other: subtract(other, input), "rsub.1"),
    "rfloordiv": (lambda input, other: BINARY["floor_divide"](other, input), "floor_divide"),
    "rmod": (lambda input, other: BINARY["remainder"](other, input), "remainder"),
    "rpow": (lambda input, other: pow_pair(other, input), "pow.2"),
}
SYMBOLS = {
    "add": "add", "radd": "add", "sub": "sub", "mul": "mul", "rmul": "mul", "truediv": "div",
    "floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "rand": "bitwise_and", "ror": "bitwise_or", "rxor": "bitwise_xor",
    "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift", "eq": "eq", "ne": "ne",
    "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
}


def power_operator(self, other):
    return pow(self, other)


def reflected_division(self, other):
    """As PyTorch computes it: the reciprocal, times the number."""
    return self.reciprocal() * other


OPERATORS = {f"__{name}__": binary(function, BINARY[function], function, operator=True)
             for name, function in SYMBOLS.items()}
OPERATORS |= {f"__{name}__": binary(name, body, node, operator=True)
              for name, (body, node) in REFLECTED.items()}
OPERATORS |= {"__neg__": UNARY["neg"], "__abs__": UNARY["abs"],
              "__invert__": UNARY["bitwise_not"], "__pos__": lambda self: self,
              "__pow__": power_operator, "__rtruediv__": reflected_division,
              "__rdiv__": reflected_division}
