// A grid of CUDA threads on a CPU: enough of CUDA C++ for the kernels of this project, so that
// their text can be run, barriers and shuffles included, where there is no GPU.
//
// Blocks run one after another. The threads of a block are fibers: each runs until it waits at a
// barrier, and a warp as far as it comes before the next one starts, in order of their numbers (or
// against it, `order` < 0). A kernel that forgets a barrier therefore reads what was not yet written,
// or what was written over, every time in one of the two orders. Threads that wait where not all
// others come are reported, not waited for.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <functional>
#include <vector>
#include <sys/mman.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __ldg(p) (*(p))

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

// ---- the threads of a block

namespace grid {

struct Barrier {
    unsigned arrived = 0, generation = 0;
};

struct Fiber {
    ucontext_t context;
    uint3 index;
    unsigned lane, warp;
    bool done;
    Barrier* at;  // where it waits, and for which generation to pass
    unsigned generation;
    unsigned shuffles;  // how many exchanges it took part in
};

static const size_t STACK = 1 << 16;
static std::vector<Fiber> fibers;
static char* stacks;
static size_t stack_count;
static ucontext_t scheduler;
static Fiber* now;
static Barrier whole;
static std::map<std::pair<unsigned, unsigned>, Barrier> parts;  // of a warp, by the lanes in it
static std::vector<std::vector<uint64_t>> slots;  // of each warp: two exchanges of 32 lanes
static std::function<void()> kernel;

static void wait(Barrier& b, unsigned expected) {
    if (++b.arrived == expected) {
        b.arrived = 0;
        b.generation++;
        return;
    }
    now->at = &b;
    now->generation = b.generation;
    swapcontext(&now->context, &scheduler);
}

static unsigned lanes_of(unsigned mask) {
    unsigned first = now->warp * 32, count = fibers.size() - first;
    return count < 32 ? mask & ((1u << count) - 1) : mask;
}

static void wait_warp(unsigned mask) {
    unsigned lanes = lanes_of(mask);
    wait(parts[{now->warp, lanes}], __builtin_popcount(lanes));
}

// What the lane `from` gives; two sets of slots in turn, so that one barrier is enough.
template <class T> T exchange(unsigned mask, T value, unsigned from) {
    static_assert(sizeof(T) <= 16, "too wide for a shuffle");
    uint64_t* row = slots[now->warp].data() + 64 * (now->shuffles++ & 1) * 2;
    memcpy(row + 2 * now->lane, &value, sizeof value);
    wait_warp(mask);
    unsigned first = now->warp * 32;
    T found = value;
    if (from < 32 && first + from < fibers.size()) memcpy(&found, row + 2 * from, sizeof found);
    return found;
}

static void body() {
    kernel();
    now->done = true;
    swapcontext(&now->context, &scheduler);
}

// Each thread of a warp as far as it comes; whether any moved.
static bool run_warp(size_t warp, int order, size_t& left) {
    size_t first = 32 * warp, stop = first + 32 < fibers.size() ? first + 32 : fibers.size();
    bool moved = false;
    for (size_t n = first; n < stop; n++) {
        Fiber& f = fibers[order < 0 ? first + stop - 1 - n : n];
        if (f.done || (f.at && f.at->generation == f.generation)) continue;
        f.at = nullptr;
        now = &f;
        threadIdx = f.index;
        swapcontext(&scheduler, &f.context);
        moved = true;
        left -= f.done;
    }
    return moved;
}

static bool run_block(int order) {
    size_t count = size_t(blockDim.x) * blockDim.y * blockDim.z;
    if (stack_count < count) {
        if (stacks) munmap(stacks, stack_count * STACK);
        stacks = (char*)mmap(nullptr, count * STACK, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        stack_count = count;
    }
    fibers.assign(count, Fiber());
    slots.assign((count + 31) / 32, std::vector<uint64_t>(256));
    parts.clear();
    whole = Barrier();
    for (size_t k = 0; k < count; k++) {
        Fiber& f = fibers[k];
        f.index = {unsigned(k % blockDim.x), unsigned(k / blockDim.x % blockDim.y),
                   unsigned(k / blockDim.x / blockDim.y)};
        f.lane = k % 32;
        f.warp = k / 32;
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = stacks + k * STACK;
        f.context.uc_stack.ss_size = STACK;
        f.context.uc_link = &scheduler;
        makecontext(&f.context, body, 0);
    }
    size_t left = count, warps = (count + 31) / 32;
    while (left) {
        bool moved = false;
        for (size_t n = 0; n < warps; n++)
            while (run_warp(order < 0 ? warps - 1 - n : n, order, left)) moved = true;
        if (!moved) return false;
    }
    return true;
}

// 0, or 1 where threads wait at a barrier that not all others reach
static int run(const unsigned* shape, int order, std::function<void()> call) {
    gridDim = dim3(shape[0], shape[1], shape[2]);
    blockDim = dim3(shape[3], shape[4], shape[5]);
    kernel = call;
    for (unsigned z = 0; z < gridDim.z; z++)
        for (unsigned y = 0; y < gridDim.y; y++)
            for (unsigned x = 0; x < gridDim.x; x++) {
                blockIdx = {x, y, z};
                if (!run_block(order)) return 1;
            }
    return 0;
}

}  // namespace grid

// ---- barriers and shuffles

static void __syncthreads() { grid::wait(grid::whole, grid::fibers.size()); }
static void __syncwarp(unsigned mask = 0xffffffffu) { grid::wait_warp(mask); }
static void __threadfence() {}
static void __threadfence_block() {}

template <class T> T __shfl_sync(unsigned mask, T v, int lane, int width = 32) {
    unsigned base = grid::now->lane & ~(width - 1);
    return grid::exchange(mask, v, base + (lane & (width - 1)));
}
template <class T> T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32) {
    unsigned me = grid::now->lane, other = me ^ bits;
    return grid::exchange(mask, v, (other & ~(width - 1)) > (me & ~(width - 1)) ? me : other);
}
template <class T> T __shfl_down_sync(unsigned mask, T v, unsigned n, int width = 32) {
    unsigned me = grid::now->lane, at = (me & (width - 1)) + n;
    return grid::exchange(mask, v, at < unsigned(width) ? me + n : me);
}
template <class T> T __shfl_up_sync(unsigned mask, T v, unsigned n, int width = 32) {
    unsigned me = grid::now->lane;
    return grid::exchange(mask, v, (me & (width - 1)) >= n ? me - n : me);
}
static unsigned __ballot_sync(unsigned mask, int p) {
    unsigned found = 0;
    for (int lane = 0; lane < 32; lane++) {
        int said = grid::exchange(mask, p, lane);
        if (mask >> lane & 1 && grid::now->warp * 32 + lane < grid::fibers.size() && said)
            found |= 1u << lane;
    }
    return found;
}
static int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
static int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, !p) == 0; }

// ---- atomics: fibers change places at barriers only, so these need nothing

#define GRID_ATOMIC(name, expression)                                        \
    template <class T, class U> T name(T* p, U given) {                      \
        T old = *p, v = T(given);                                            \
        *p = expression;                                                     \
        return old;                                                          \
    }
GRID_ATOMIC(atomicAdd, T(old + v))
GRID_ATOMIC(atomicSub, T(old - v))
GRID_ATOMIC(atomicMin, v < old ? v : old)
GRID_ATOMIC(atomicMax, v > old ? v : old)
GRID_ATOMIC(atomicAnd, T(old & v))
GRID_ATOMIC(atomicOr, T(old | v))
GRID_ATOMIC(atomicXor, T(old ^ v))
GRID_ATOMIC(atomicExch, v)
template <class T> T atomicCAS(T* p, T expected, T v) {
    T old = *p;
    if (old == expected) *p = v;
    return old;
}

// ---- what CUDA's library has and C's has not

template <class To, class From> static To grid_bits(From x) {
    static_assert(sizeof(To) == sizeof(From), "of equal size");
    To y;
    memcpy(&y, &x, sizeof y);
    return y;
}
static int __float_as_int(float x) { return grid_bits<int>(x); }
static float __int_as_float(int x) { return grid_bits<float>(x); }
static unsigned __float_as_uint(float x) { return grid_bits<unsigned>(x); }
static float __uint_as_float(unsigned x) { return grid_bits<float>(x); }
static long long __double_as_longlong(double x) { return grid_bits<long long>(x); }
static double __longlong_as_double(long long x) { return grid_bits<double>(x); }
static int __popc(unsigned x) { return __builtin_popcount(x); }
static int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static int __ffs(int x) { return __builtin_ffs(x); }
static unsigned __umulhi(unsigned x, unsigned y) { return uint64_t(x) * y >> 32; }
static float rsqrtf(float x) { return float(1 / std::sqrt(double(x))); }
static double rsqrt(double x) { return 1 / std::sqrt(x); }
using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;
