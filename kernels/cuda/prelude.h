// What every generated kernel stands on: types, the arithmetic of the kernels' subset where C++'s
// differs, packs of elements that move in one instruction, and reductions over a team of threads.
// Compiled with --fmad=false: a product and a sum are one operation only where the text says so.

typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;

#define INF_F32 __int_as_float(0x7f800000)
#define NAN_F32 __int_as_float(0x7fc00000)
#define INF_F64 __longlong_as_double(0x7ff0000000000000LL)
#define NAN_F64 __longlong_as_double(0x7ff8000000000000LL)

// ---- half precision: arrays hold it, arithmetic is f32's. One instruction on the device; the bits
// by hand where this text runs elsewhere.

struct f16 {
    u16 bits;
    f16() = default;
    __device__ explicit f16(f32 x) {
#ifdef __CUDA_ARCH__
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
        u32 b = __float_as_uint(x), sign = b >> 16 & 0x8000, size = b & 0x7fffffff;
        if (size > 0x7f800000) {
            bits = 0x7fff;
        } else if (size >= 0x477ff000) {  // 65520 and more
            bits = sign | 0x7c00;
        } else if (size < 0x38800000) {  // below 2^-14: the sum rounds to multiples of 2^-24
            bits = sign | (__float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000);
        } else {
            bits = sign | ((size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13);
        }
#endif
    }
    __device__ explicit operator f32() const {
        f32 x;
#ifdef __CUDA_ARCH__
        asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
#else
        u32 size = bits & 0x7fff, sign = (u32)(bits & 0x8000) << 16;
        if (size >= 0x7c00) x = __uint_as_float(sign | 0x7f800000 | (size & 0x3ff) << 13);
        else if (size >= 0x400) x = __uint_as_float(sign | ((size << 13) + 0x38000000));
        else x = (sign ? -1.0f : 1.0f) * (f32)size * 5.9604644775390625e-08f;
#endif
        return x;
    }
};

struct bf16 {
    u16 bits;
    bf16() = default;
    __device__ explicit bf16(f32 x) {
        u32 b = __float_as_uint(x);
        bits = x != x ? b >> 16 | 0x40 : (b + 0x7fff + (b >> 16 & 1)) >> 16;
    }
    __device__ explicit operator f32() const { return __uint_as_float((u32)bits << 16); }
};

// ---- several elements that lie together, aligned so that one instruction moves them

template <class T, int N> struct alignas(sizeof(T) * N) pack {
    T lane[N];
    __device__ T& operator[](int k) { return lane[k]; }
    __device__ const T& operator[](int k) const { return lane[k]; }
};

template <int N, class T> __device__ __forceinline__ pack<T, N> load(const T* from) {
    return *(const pack<T, N>*)from;
}
template <int N, class T> __device__ __forceinline__ void store(T* to, const pack<T, N>& given) {
    *(pack<T, N>*)to = given;
}

// ---- the subset's arithmetic

template <class T> __device__ __forceinline__ T maximum(T x, T y) {  // nan if either is
    return x > y || x != x ? x : y;
}
template <class T> __device__ __forceinline__ T minimum(T x, T y) {
    return x < y || x != x ? x : y;
}
template <class T> __device__ __forceinline__ T magnitude(T x) { return x < 0 ? T(0 - (u64)x) : x; }
__device__ __forceinline__ bool is_number(f32 x) { return fabsf(x) < INF_F32; }
__device__ __forceinline__ bool is_number(f64 x) { return fabs(x) < INF_F64; }

template <class T> __device__ __forceinline__ T quotient(T x, T y) {  // towards zero; x / 0 = -1
    return y == 0 ? T(-1) : y == T(-1) && T(-1) < T(0) ? T(0 - (u64)x) : T(x / y);
}
template <class T> __device__ __forceinline__ T rem(T x, T y) {  // rem(x, 0) = x
    return y == 0 ? x : y == T(-1) && T(-1) < T(0) ? T(0) : T(x % y);
}
__device__ __forceinline__ f32 rem(f32 x, f32 y) { return fmodf(x, y); }
__device__ __forceinline__ f64 rem(f64 x, f64 y) { return fmod(x, y); }
template <class T> __device__ __forceinline__ T floor_div(T x, T y) {
    T q = quotient(x, y);
    return q * y != x && (x < 0) != (y < 0) ? T(q - 1) : q;
}
template <class T> __device__ __forceinline__ T floor_mod(T x, T y) {
    T r = rem(x, y);
    return r != 0 && (r < 0) != (y < 0) ? T(r + y) : r;
}

__device__ __forceinline__ i32 bits(f32 x) { return __float_as_int(x); }
__device__ __forceinline__ i64 bits(f64 x) { return __double_as_longlong(x); }
__device__ __forceinline__ f32 unbits(i32 x) { return __int_as_float(x); }
__device__ __forceinline__ f64 unbits(i64 x) { return __longlong_as_double(x); }

template <class T> __device__ __forceinline__ T popcount(T x) {
    return T(__popcll((u64)x & ~0ull >> (64 - 8 * sizeof(T))));
}
template <class T> __device__ __forceinline__ T clz(T x) {
    return T(__clzll((u64)x & ~0ull >> (64 - 8 * sizeof(T))) - (64 - 8 * (int)sizeof(T)));
}
__device__ __forceinline__ f32 logistic(f32 x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ f64 logistic(f64 x) { return 1.0 / (1.0 + exp(-x)); }

// ---- a team: N neighbouring threads (a power of two) that work on one row. All get the result.

struct Sum { template <class T> __device__ T operator()(T x, T y) const { return T(x + y); } };
struct Product { template <class T> __device__ T operator()(T x, T y) const { return T(x * y); } };
struct Maximum { template <class T> __device__ T operator()(T x, T y) const { return maximum(x, y); } };
struct Minimum { template <class T> __device__ T operator()(T x, T y) const { return minimum(x, y); } };
struct And { template <class T> __device__ T operator()(T x, T y) const { return T(x & y); } };
struct Or { template <class T> __device__ T operator()(T x, T y) const { return T(x | y); } };

template <int N, class T, class Op> __device__ __forceinline__ T within_warp(T x, Op op) {
    const u32 lane = (threadIdx.x + threadIdx.y * blockDim.x) % 32;
    const u32 mask = N == 32 ? 0xffffffffu : ((1u << (N % 32)) - 1) << (lane & ~(N - 1));
    for (int other = N / 2; other; other /= 2) x = op(x, T(__shfl_xor_sync(mask, x, other)));
    return x;
}

template <int N, class T, class Op> __device__ T team(T x, Op op) {
    if constexpr (N <= 32) {
        return within_warp<N>(x, op);
    } else {  // warps meet in shared memory; the block is one team
        __shared__ T parts[N / 32];
        x = within_warp<32>(x, op);
        if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
        __syncthreads();
        x = parts[0];
        for (int k = 1; k < N / 32; k++) x = op(x, parts[k]);
        __syncthreads();  // before the next reduction writes there
        return x;
    }
}
