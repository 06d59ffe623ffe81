"""The grid simulator itself: barriers, shuffles, and what it says of kernels that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulator import Deadlock, compiler, simulate

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler to play the grid with")

SUM = """
__device__ float block_sum(float x) {
    __shared__ float parts[32];
    for (int bits = 16; bits; bits >>= 1) x += __shfl_xor_sync(0xffffffffu, x, bits);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0;
    for (int k = 0; k < blockDim.x / 32; k++) x += parts[k];
    __syncthreads();
    return x;
}

extern "C" __global__ void __launch_bounds__(128) sum(const float* __restrict__ x, float* out,
                                                      int rows, long long n) {
    for (int i = blockIdx.x; i < rows; i += gridDim.x) {
        float total = 0;
        for (long long j = threadIdx.x; j < n; j += blockDim.x) total += x[i * n + j];
        total = block_sum(total);
        if (threadIdx.x == 0) out[i] = total;
    }
}
"""


def summed(source: str, order: int = 1) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).integers(0, 100, (7, 300)).astype(np.float32)
    out = np.zeros(7, np.float32)
    simulate(source, "sum", (3,), (128,), [x, out, 7, 300], order)
    return out, x.sum(1)


@pytest.mark.parametrize("order", [1, -1])
def test_block_sum(order):
    out, expected = summed(SUM, order)
    assert out.tolist() == expected.tolist()


FIRST = "parts[threadIdx.x / 32] = x;\n    __syncthreads();"
LAST = "x += parts[k];\n    __syncthreads();"


@pytest.mark.parametrize("wrong", [
    SUM.replace(FIRST, FIRST.splitlines()[0]), SUM.replace(LAST, LAST.splitlines()[0]),
    SUM.replace("bits = 16", "bits = 8"), SUM.replace("x, bits)", "x, bits ^ 1)"),
])
def test_what_is_wrong_shows(wrong):
    assert wrong != SUM
    assert any(out.tolist() != expected.tolist()
               for out, expected in (summed(wrong, order) for order in (1, -1)))


def test_a_barrier_that_not_all_reach():
    wrong = SUM.replace("    __syncthreads();\n    x = 0", "    if (threadIdx.x) __syncthreads();"
                        "\n    x = 0", 1).replace("    __syncthreads();\n    return", "    return")
    with pytest.raises(Deadlock, match="not all others reach"):
        summed(wrong)


def test_shuffles_and_votes():
    source = """
extern "C" __global__ void all(int* out) {
    int t = threadIdx.x;
    int* row = out + 6 * t;
    row[0] = __shfl_down_sync(0xffffffffu, t, 3, 8);
    row[1] = __shfl_up_sync(0xffffffffu, t, 2);
    row[2] = __shfl_sync(0xffffffffu, t, 5, 16);
    row[3] = __ballot_sync(0xffffffffu, t % 3 == 0) & 0xff;
    row[4] = __any_sync(0xffffffffu, t == 9);
    row[5] = __all_sync(0xffffffffu, t < 32);
}
"""
    out = np.zeros((64, 6), np.int32)
    simulate(source, "all", (1,), (64,), [out])
    t = np.arange(64)
    assert out[:, 0].tolist() == np.where(t % 8 < 5, t + 3, t).tolist()
    assert out[:, 1].tolist() == np.where(t % 32 < 2, t, t - 2).tolist()
    assert out[:, 2].tolist() == (t // 16 * 16 + 5).tolist()
    assert out[:, 3].tolist() == [0b01001001] * 32 + [0b10010010] * 32
    assert out[:, 4].tolist() == [1] * 32 + [0] * 32
    assert out[:, 5].tolist() == [1] * 32 + [0] * 32
