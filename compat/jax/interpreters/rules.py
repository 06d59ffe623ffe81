"""A dictionary from primitives to rules that writes each rule into its primitive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping

from minigrad.core import Primitive, table


class Rules(MutableMapping):
    """`rules[primitive] = rule`.

    attribute: where minigrad keeps it. convert: the rule as minigrad calls it.
    """

    def __init__(self, attribute: str, convert: Callable[[Callable], Callable]):
        self.attribute, self.convert = attribute, convert
        self.given: dict[Primitive, Callable] = {}

    def __setitem__(self, primitive: Primitive, rule: Callable) -> None:
        self.given[primitive] = rule
        setattr(primitive, self.attribute, self.convert(rule))
        primitive.runs.clear()

    def __getitem__(self, primitive: Primitive) -> Callable:
        return self.given[primitive] if primitive in self.given else own_rule(
            primitive, self.attribute)

    def __delitem__(self, primitive: Primitive) -> None:
        del self.given[primitive]
        setattr(primitive, self.attribute, None)

    def __iter__(self) -> Iterator[Primitive]:
        return iter([p for p in {*table.values(), *self.given}
                     if getattr(p, self.attribute) is not None])

    def __len__(self) -> int:
        return len(list(iter(self)))


def own_rule(primitive: Primitive, attribute: str) -> Callable:
    rule = getattr(primitive, attribute)
    if rule is None:
        raise KeyError(primitive)
    return rule
