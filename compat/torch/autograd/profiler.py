"""`torch.autograd.profiler`: what ran, how often and how long, as a table."""

from __future__ import annotations

import contextlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass

from minigrad.imperative.watching import Watcher, around_backward, watching


@dataclass
class FunctionEvent:
    """All runs of one operation."""

    key: str
    count: int = 0
    self_cpu_time_total: float = 0.0  # microseconds
    cpu_time_total: float = 0.0

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / max(self.count, 1)

    name = property(lambda self: self.key)


class EventList(list):
    """The events of a profile."""

    def table(self, sort_by=None, row_limit=100, header=None, **_) -> str:
        """A row an operation: its share of the time, its time, its number of calls."""
        events = sorted(self, key=lambda e: getattr(e, sort_by), reverse=True) if sort_by \
            else list(self)
        total = sum(e.self_cpu_time_total for e in self)
        titles = ("Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg",
                  "# of Calls")
        rows = [(e.key, share(e.self_cpu_time_total, total), duration(e.self_cpu_time_total),
                 share(e.cpu_time_total, total), duration(e.cpu_time_total), duration(e.cpu_time),
                 str(e.count)) for e in events[:row_limit]]
        widths = [max(len(r[i]) for r in (titles, *rows)) + 2 for i in range(len(titles))]
        line = "  ".join("-" * w for w in widths)
        body = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in rows]
        head = "  ".join(cell.rjust(w) for cell, w in zip(titles, widths))
        return "\n".join([line, head, line, *body, line,
                          f"Self CPU time total: {duration(total)}", ""])

    __str__ = table


def share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "nan"


def duration(us: float) -> str:
    return f"{us / 1e6:.3f}s" if us >= 1e6 else f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


class profile(Watcher):
    """Times every operation inside a `with` block, and its backward."""

    def __init__(self, enabled=True, *, activities=None, record_shapes=False, profile_memory=False,
                 with_stack=False, use_cpu=True, schedule=None, on_trace_ready=None, **_):
        self.enabled, self.events = enabled, defaultdict(FunctionEventOf)
        self.on_trace_ready, self.timeline = on_trace_ready, []

    def ran(self, entry, node, started) -> None:
        self.add(f"aten::{entry.name.partition('.')[0]}", started)
        if node is not None:
            around_backward(node, self.timed(node.name()))

    def timed(self, name: str):
        def run(backward, *args):
            started = time.perf_counter_ns()
            try:
                return backward(*args)
            finally:
                self.add(name, started)

        return run

    def add(self, name: str, started: int) -> None:
        event, taken = self.events[name], (time.perf_counter_ns() - started) / 1e3
        self.timeline.append((name, started / 1e3, taken))
        event.key = name
        event.count += 1
        event.self_cpu_time_total += taken
        event.cpu_time_total += taken

    def __enter__(self):
        self.block = watching(self) if self.enabled else contextlib.nullcontext()
        self.block.__enter__()
        return self

    def __exit__(self, *error):
        self.block.__exit__(*error)
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def start(self) -> None:
        self.__enter__()

    def stop(self) -> None:
        self.__exit__(None, None, None)

    def step(self) -> None:
        """The next step of a schedule; all steps are recorded."""

    def key_averages(self, group_by_input_shape=False, **_) -> EventList:
        return EventList(self.events.values())

    def table(self, **options) -> str:
        return self.key_averages().table(**options)

    def export_chrome_trace(self, path: str) -> None:
        """Every run with its time, in the JSON that chrome://tracing and Perfetto read."""
        events = [{"ph": "X", "name": name, "ts": start, "dur": taken, "pid": 0, "tid": 0}
                  for name, start, taken in self.timeline]
        with open(path, "w") as file:
            json.dump({"traceEvents": events}, file)

    @property
    def function_events(self) -> EventList:
        return self.key_averages()


class FunctionEventOf(FunctionEvent):
    def __init__(self):
        super().__init__("")


class record_function(contextlib.ContextDecorator):
    """Times a block under a name of the user's."""

    def __init__(self, name: str, args=None):
        self.label = name

    def __enter__(self):
        self.started = time.perf_counter_ns()
        return self

    def __exit__(self, *error):
        from minigrad.imperative.watching import watchers

        for watcher in watchers.get():
            if isinstance(watcher, profile):
                watcher.add(self.label, self.started)
