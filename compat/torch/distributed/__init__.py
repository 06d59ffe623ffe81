"""`torch.distributed`: a group of one process.

Programs that ask for a group of one run as they stand, each collective being what it is among one:
the tensor itself. More processes are refused.
"""

from __future__ import annotations

import os

from minigrad import core

STATE: dict = {"backend": None}


class Backend(str):
    GLOO, NCCL, MPI, UCC, XCCL = "gloo", "nccl", "mpi", "ucc", "xccl"


class ReduceOp:
    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = range(9)


class Work:
    """A collective under way: it is done."""

    def wait(self, timeout=None) -> bool:
        return True

    def is_completed(self) -> bool:
        return True


class ProcessGroup:
    def size(self) -> int:
        return 1

    def rank(self) -> int:
        return 0


WORLD = ProcessGroup()
group = type("group", (), {"WORLD": WORLD})


def is_available() -> bool:
    return True


def is_gloo_available() -> bool:
    return True


def is_nccl_available() -> bool:
    return False


is_mpi_available = is_torchelastic_launched = is_nccl_available


def is_initialized() -> bool:
    return STATE["backend"] is not None


def init_process_group(backend=None, init_method=None, timeout=None, world_size=-1, rank=-1,
                       store=None, group_name="", pg_options=None, device_id=None) -> None:
    """Start the group. The world size, from the argument or the environment, is one."""
    if is_initialized():
        raise ValueError("trying to initialize the default process group twice!")
    if world_size == -1 and init_method in (None, "env://"):
        for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            if name not in os.environ:
                raise ValueError("Error initializing torch.distributed using env:// rendezvous: "
                                 f"environment variable {name} expected, but not set")
        world_size = int(os.environ["WORLD_SIZE"])
    if world_size > 1:
        raise NotImplementedError(f"a group of {world_size} processes: only groups of one process "
                                  "run here")
    STATE["backend"] = str(backend or "gloo").lower()


def destroy_process_group(group=None) -> None:
    STATE["backend"] = None


def started() -> None:
    if not is_initialized():
        raise ValueError("Default process group has not been initialized, please make sure to call "
                         "init_process_group.")


def get_rank(group=None) -> int:
    started()
    return 0


def get_world_size(group=None) -> int:
    started()
    return 1


def get_backend(group=None) -> str:
    started()
    return STATE["backend"]


def new_group(ranks=None, *_, **options) -> ProcessGroup:
    started()
    return WORLD


def barrier(*_, **options):
    started()


def alone(tensor, *_, async_op=False, **options):
    """A collective of one process: the tensor holds the result already."""
    started()
    return Work() if async_op else None


all_reduce = reduce = broadcast = alone


def all_gather(tensor_list, tensor, group=None, async_op=False):
    tensor_list[0].copy_(tensor)
    return alone(tensor, async_op=async_op)


def copied(output, input, *_, async_op=False, **options):
    """A collective that puts one process's part into `output`."""
    output.copy_(input if isinstance(input, core.Tensor) else input[0])
    return alone(output, async_op=async_op)


all_gather_into_tensor = reduce_scatter = reduce_scatter_tensor = all_to_all_single = copied


def gather(tensor, gather_list=None, dst=0, group=None, async_op=False):
    if gather_list:
        gather_list[0].copy_(tensor)
    return alone(tensor, async_op=async_op)


def scatter(tensor, scatter_list=None, src=0, group=None, async_op=False):
    if scatter_list:
        tensor.copy_(scatter_list[0])
    return alone(tensor, async_op=async_op)


def all_gather_object(object_list, obj, group=None) -> None:
    started()
    object_list[0] = obj


def broadcast_object_list(object_list, src=0, *_, **options) -> None:
    started()
