// Values combined into places of an array, several to one place in the order in which they come.
//
// `order` sorts `places` (stably), so that the values of one place are neighbours. The thread of the
// first of them walks over the others: no atomics, and the same result in every run. Places that are
// not inside (a dropped window) are left out.
//
// T is the type of the elements and COMBINE(a, b) what is done, given on top of this text.

extern "C" __global__ void combine(T* out, const long long* places, const long long* order,
                                   const T* values, long long count, long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= count) return;
    long long place = places[i];
    if (place < 0 || place >= size || (i > 0 && places[i - 1] == place)) return;
    T total = out[place];
    for (; i < count && places[i] == place; ++i) {
        T value = values[order[i]];
        total = COMBINE(total, value);
    }
    out[place] = total;
}
