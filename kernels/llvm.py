"""Kernels as LLVM's text, which `kernels/machine.py` compiles.

Control flow in the subset is structured, so values go straight into single-assignment form: a
loop has one phi for each variable that it carries. Library functions are written out where they
are called. Innermost loops run over vectors where they can (`kernels/vectorise.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from kernels.grammar import Library, Parameter, Typed, elementary, entries_of
from kernels.instructions import LLVM_TYPE, NotVectorisable, Vec
from kernels.machine import has_masks, scales_by_exponents, wide_vectors
from kernels.vectorise import IN_MEMORY, Vectoriser

Incoming = list[tuple[str, str]]  # (value, the block that control comes from)


class Emitter(Vectoriser):
    """Writes the body of one kernel as LLVM text."""

    over_numbers = False  # whether an innermost loop did not become one over vectors

    def index(self, node: ast.expr) -> Any:
        outer, self.indexing = self.indexing, True  # an index never overflows
        try:
            return super().index(node)
        finally:
            self.indexing = outer

    # ---- calls

    def library_call(self, name: str, value: Any, dtype: str) -> Any:
        function = elementary()[0].find(name, dtype)
        assert function is not None
        return self.call(function, function, [(value, dtype)], elementary()[0].name)[0]

    def call(self, node: ast.AST, function: ast.FunctionDef, args: list[Typed],
             file: str) -> Typed:
        if function.name == "ldexp" and scales_by_exponents():
            return self.scaled(*args)
        inside = {"env": {param.arg: arg for param, arg in zip(function.args.args, args)},
                  "file": file, "arrays": {}, "carried": set(), "indexing": False, "reductions": {}}
        outside = {name: getattr(self, name) for name in inside}
        self.__dict__.update(inside)
        try:
            return self.returned(function)
        finally:
            self.__dict__.update(outside)

    def scaled(self, x: Typed, n: Typed) -> Typed:
        """`ldexp` where it is one instruction."""
        kind, (value,), made = self.together(x[1], x[0])
        whole, (power,), _ = self.together(n[1], n[0])
        suffix = [("" if made is str else f"v{self.lanes}") + name for name in (x[1], n[1])]
        full = f"@llvm.ldexp.{'.'.join(suffix)}"
        self.declared[f"declare {kind} {full}({kind}, {whole})"] = None
        return made(self.emit(f"call {kind} {full}({kind} {value}, {whole} {power})")), x[1]

    # ---- control flow

    def new_labels(self, *names: str) -> list[str]:
        self.count += 1
        return [f"{name}{self.count}" for name in names]

    def start_block(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.label = label

    def fresh(self, names: list[str]) -> dict[str, str]:
        self.count += 1
        return {name: f"%{name}.{self.count}" for name in names}

    def phis(self, rows: list[tuple[str, str, Incoming]]) -> list[str]:
        """Lines `%name = phi type [value, %block] ...`."""
        return [f"  {name} = phi {kind} "
                + ", ".join(f"[ {value}, %{block} ]" for value, block in pairs)
                for name, kind, pairs in rows]

    def type_of(self, value: Any, dtype: str) -> str:
        return self.kind(dtype) if isinstance(value, Vec) else LLVM_TYPE[dtype]

    def merge(self, carried: list[str], after: dict, latch: str, before: dict,
              skipped: str | None) -> None:
        """What variables are once control flow has met again: from the block `latch`, or as they
        were, from the block `skipped`."""
        ends = self.fresh(carried)
        for v in carried:
            value, dtype = after[v]
            if skipped is not None and value != before[v][0]:
                pairs = [(before[v][0], skipped), (value, latch)]
                self.lines += self.phis([(ends[v], self.type_of(value, dtype), pairs)])
                value = type(value)(ends[v])
            self.env[v] = value, dtype

    def loop(self, node: ast.For, name: str, start: str, stop: str, step: int,
             carried: list[str]) -> None:
        if self.lanes:
            if type(start) is not str or type(stop) is not str:
                raise NotVectorisable
            self.depth += 1
            self.number_loop(node, name, start, stop, step, carried)
            self.depth -= 1
            return None
        if step == 1:
            try:
                return self.vector_loop(node, name, start, stop, carried)
            except NotVectorisable:
                innermost = not any(isinstance(n, ast.For | ast.While)
                                    for statement in node.body for n in ast.walk(statement))
                self.over_numbers = self.over_numbers or innermost
        return self.number_loop(node, name, start, stop, step, carried)

    def number_loop(self, node: ast.For, name: str, start: str, stop: str, step: int,
                    carried: list[str]) -> None:
        known = start.lstrip("-").isdigit() and stop.lstrip("-").isdigit()
        if known and int(start) >= int(stop):
            return
        body, end = self.new_labels("loop", "end")
        self.to_vectors(carried)
        entered = dict(self.env)
        test = known or self.emit(f"icmp slt i64 {start}, {stop}")
        before = self.label
        self.lines.append(f"  br label %{body}" if known
                          else f"  br i1 {test}, label %{body}, label %{end}")
        self.start_block(body)
        phis: list[str] = []
        self.lines.append(phis)
        heads, counter = self.fresh(carried), self.fresh([name])[name]
        for v in carried:
            self.env[v] = type(entered[v][0])(heads[v]), entered[v][1]
        self.env[name] = counter, "i64"

        def run() -> None:
            self.block(node.body)
            self.to_vectors(carried)

        after = self.scoped(run)
        following = self.emit(f"add nsw i64 {counter}, {step}")
        more = self.emit(f"icmp slt i64 {following}, {stop}")
        latch = self.label
        self.lines.append(f"  br i1 {more}, label %{body}, label %{end}")
        phis += self.phis([(counter, "i64", [(start, before), (following, latch)])] + [
            (heads[v], self.type_of(*entered[v]), [(entered[v][0], before), (after[v][0], latch)])
            for v in carried])
        self.start_block(end)
        self.merge(carried, after, latch, entered, None if known else before)
        self.env.pop(name, None)

    def to_vectors(self, carried: list[str]) -> None:
        """What a loop inside a vector loop carries is a vector."""
        for v in carried if self.lanes else ():
            value, dtype = self.env[v]
            self.env[v] = self.vector(value, dtype), dtype

    def while_loop(self, node: ast.While, carried: list[str]) -> None:
        if self.lanes:
            raise NotVectorisable
        head, body, end = self.new_labels("while", "body", "end")
        before, entered = self.label, dict(self.env)
        self.lines.append(f"  br label %{head}")
        self.start_block(head)
        phis: list[str] = []
        self.lines.append(phis)
        heads = self.fresh(carried)
        for v in carried:
            self.env[v] = heads[v], self.env[v][1]
        looped = dict(self.env)
        test = self.number(node.test, "bool")
        self.lines.append(f"  br i1 {test}, label %{body}, label %{end}")
        self.start_block(body)
        after = self.scoped(lambda: self.block(node.body))
        self.lines.append(f"  br label %{head}")
        phis += self.phis([(heads[v], LLVM_TYPE[entered[v][1]],
                            [(entered[v][0], before), (after[v][0], self.label)])
                           for v in carried])
        self.start_block(end)
        self.env = looped

    def branch(self, node: ast.If, test: Any, carried: list[str]) -> None:
        if isinstance(test, Vec) or self.reductions.keys() & carried:
            raise NotVectorisable
        yes, no, end = self.new_labels("then", "else", "end")
        entered = dict(self.env)
        self.lines.append(f"  br i1 {test}, label %{yes}, label %{no}")
        ends = []
        for label, body in ((yes, node.body), (no, node.orelse)):
            self.start_block(label)
            self.env = dict(entered)
            after = self.scoped(lambda body=body: self.block(body))
            room: list[str] = []  # for splats, if the other arm gives vectors
            self.lines += [room, f"  br label %{end}"]
            ends.append((after, self.label, room))
        self.start_block(end)
        merged, self.env = self.fresh(carried), entered
        for v in carried:
            dtype = entered[v][1]
            values = [after[v][0] for after, _, _ in ends]
            if values[0] == values[1]:
                self.env[v] = values[0], dtype
                continue
            if any(type(value) is not str for value in values):
                for k, (_, _, room) in enumerate(ends):
                    lines, self.lines = self.lines, room
                    values[k] = self.vector(values[k], dtype)
                    self.lines = lines
            pairs = [(value, label) for value, (_, label, _) in zip(values, ends)]
            self.lines += self.phis([(merged[v], self.type_of(values[0], dtype), pairs)])
            self.env[v] = type(values[0])(merged[v]), dtype


# ---- a module's text -------------------------------------------------------------------------


def flat(lines: list) -> Iterator[str]:
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from flat(line)


def kernel_text(node: ast.FunctionDef, parameters: tuple[Parameter, ...],
                make: Callable[[], Emitter]) -> tuple[str, bool]:
    """The entry point `name(table, start, stop)`, which takes arrays and numbers from the table,
    and whether all innermost loops are over vectors. Loops over numbers, which LLVM may yet turn
    into loops over vectors, stand in a function of their own: of its arguments `noalias` can be
    said. Where arrays are streamed there is a function for that, too."""
    arguments, slots = [], []
    for i, (name, dtype, array, restrict, _) in enumerate(parameters):
        kind = ("ptr noalias" if restrict else "ptr") if array else LLVM_TYPE[dtype]
        arguments.append(f"{kind} %{name}")
        slots += [f"  %slot{i} = getelementptr i64, ptr %table, i64 {i}",
                  f"  %{name} = load {'ptr' if array else IN_MEMORY[dtype]}, ptr %slot{i}"]
        if dtype == "bool" and not array:
            slots[-1] = (f"  %{name}.byte = load i8, ptr %slot{i}\n"
                         f"  %{name} = icmp ne i8 %{name}.byte, 0")
    given = ", ".join([*arguments, "i64 %start", "i64 %stop"])

    def body(stream: bool) -> Emitter:
        emitter = make()
        for parameter in parameters:
            if parameter.array:
                emitter.arrays[parameter.name] = parameter
            else:
                emitter.env[parameter.name] = f"%{parameter.name}", parameter.dtype
        emitter.env |= {name: (f"%{name}", "i64") for name in ("start", "stop")}
        emitter.streams = stream_together(parameters) if stream else []
        emitter.block(node.body)
        return emitter

    def function(name: str, emitter: Emitter) -> list[str]:
        return [f"define internal void @{name}({given}) #0 {{", "entry:", *flat(emitter.lines),
                "  ret void", "}"]

    plain = body(stream=False)
    head = f"define void @{node.name}(ptr %table, i64 %start, i64 %stop) #0 {{\nentry:"
    call = [f"  call void @{node.name}.body({given})", "  ret void", "}", ""]
    streaming = body(stream=True) if stream_together(parameters) else plain
    if streaming.streamed:
        streaming.declared |= {"declare void @llvm.x86.sse.sfence()": None, "!0 = !{i32 1}": None}
        text = [*function(f"{node.name}.body", plain), *function(f"{node.name}.stream", streaming),
                head, *slots, *alike(streaming.streams), "  br i1 %alike, label %yes, label %no",
                "yes:", f"  call void @{node.name}.stream({given})",
                "  call void @llvm.x86.sse.sfence()", "  ret void", "no:", *call]
    elif plain.over_numbers:
        text = [*function(f"{node.name}.body", plain), head, *slots, *call]
    else:
        text = [head, *slots, *flat(plain.lines), "  ret void", "}", ""]
    return "\n".join(text), not plain.over_numbers


def stream_together(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    """The arrays that are written past the caches, which takes whole cache lines: those whose
    elements are as large as the first one's."""
    streams = [p for p in parameters if p.stream] if has_masks() else []
    return [p for p in streams if p.dtype == streams[0].dtype]


def alike(streams: list[Parameter]) -> list[str]:
    """Whether the arrays lie alike on cache lines."""
    lines = [f"  %at{k} = ptrtoint ptr %{p.name} to i64" for k, p in enumerate(streams)]
    lines.append("  %apart0 = or i64 0, 0")
    for k in range(1, len(streams)):
        lines += [f"  %differ{k} = xor i64 %at0, %at{k}",
                  f"  %apart{k} = or i64 %apart{k - 1}, %differ{k}"]
    return [*lines, f"  %low = and i64 %apart{len(streams) - 1}, 63",
            "  %alike = icmp eq i64 %low, 0"]


def emit(source: str, parameters: dict[str, tuple[Parameter, ...]]) -> tuple[str, bool]:
    """The LLVM text of the kernels of `source` that `parameters` names, and whether all innermost
    loops are over vectors; other functions of `source` are library functions of theirs."""
    library = Library("\n" + source, "the kernel's source")
    declared: dict[str, None] = {}
    nodes = entries_of(source, parameters)
    bodies, vectors = [], True
    for name, row in parameters.items():
        text, over_vectors = kernel_text(nodes[name], row, lambda: Emitter(
            (library, *elementary()), "the kernel's source", declared))
        bodies.append(text)
        vectors = vectors and over_vectors
    attributes = 'nounwind "prefer-vector-width"="512"' if wide_vectors() else "nounwind"
    return "\n".join([*declared, *bodies, f"attributes #0 = {{ {attributes} }}", ""]), vectors
