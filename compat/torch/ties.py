"""Which of several equal elements comes first. PyTorch leaves that to the selecting and sorting
algorithms of the C++ library, none of them stable, so they are followed here step by step:
introselect and introsort (Musser, 1997) as libstdc++ has them, and Hoare's quickselect.

Each function rearranges `p`, positions, whose elements have the dense ranks `r`. They run only on
rows where equal elements compete.
"""

from __future__ import annotations

from functools import cache

import numpy as np

SMALL = 16  # introsort leaves pieces of this size to one insertion sort


def build(njit):
    """The algorithms, compiled by `njit`."""
    @njit
    def sift(r, p, first, hole, length, value):  # a heap with the last on top
        top = child = hole
        while child < (length - 1) // 2:
            child = 2 * child + 2
            if r[p[first + child]] < r[p[first + child - 1]]:
                child -= 1
            p[first + hole] = p[first + child]
            hole = child
        if length % 2 == 0 and child == (length - 2) // 2:
            child = 2 * child + 2
            p[first + hole] = p[first + child - 1]
            hole = child - 1
        while hole > top and r[p[first + (hole - 1) // 2]] < r[value]:
            p[first + hole] = p[first + (hole - 1) // 2]
            hole = (hole - 1) // 2
        p[first + hole] = value

    @njit
    def heap_select(r, p, first, middle, last):
        length = middle - first
        for parent in range((length - 2) // 2, -1, -1):
            sift(r, p, first, parent, length, p[first + parent])
        for i in range(middle, last):
            if r[p[i]] < r[p[first]]:
                value, p[i] = p[i], p[first]
                sift(r, p, first, 0, length, value)

    @njit
    def partial_sort(r, p, first, middle, last):
        heap_select(r, p, first, middle, last)
        for end in range(middle - 1, first, -1):
            value, p[end] = p[end], p[first]
            sift(r, p, first, 0, end - first, value)

    @njit
    def partition(r, p, first, last):
        a, b, c = first + 1, first + (last - first) // 2, last - 1
        if r[p[a]] < r[p[b]]:
            m = b if r[p[b]] < r[p[c]] else c if r[p[a]] < r[p[c]] else a
        else:
            m = a if r[p[a]] < r[p[c]] else c if r[p[b]] < r[p[c]] else b
        p[first], p[m] = p[m], p[first]
        pivot, i, j = r[p[first]], first + 1, last
        while True:
            while r[p[i]] < pivot:
                i += 1
            j -= 1
            while pivot < r[p[j]]:
                j -= 1
            if i >= j:
                return i
            p[i], p[j] = p[j], p[i]
            i += 1

    @njit
    def insertion_sort(r, p, first, last):
        for i in range(first + 1, last):
            value, j = p[i], i
            while j > first and r[value] < r[p[j - 1]]:
                p[j] = p[j - 1]
                j -= 1
            p[j] = value

    @njit
    def nth_element(r, p, nth, last):
        first, depth = 0, 2 * int(np.log2(max(last, 1)))
        while last - first > 3:
            if depth == 0:
                heap_select(r, p, first, nth + 1, last)
                p[first], p[nth] = p[nth], p[first]
                return
            depth -= 1
            cut = partition(r, p, first, last)
            first, last = (cut, last) if cut <= nth else (first, cut)
        insertion_sort(r, p, first, last)

    @njit
    def sort(r, p, last):
        pieces = [(0, last, 2 * int(np.log2(max(last, 1))))]
        while len(pieces):
            first, end, depth = pieces.pop()
            while end - first > SMALL:
                if depth == 0:
                    partial_sort(r, p, first, end, end)
                    break
                depth -= 1
                cut = partition(r, p, first, end)
                pieces.append((cut, end, depth))
                end = cut
        insertion_sort(r, p, 0, last)

    @njit
    def quickselect(r, p, k):
        left, right = 0, len(p) - 1
        while right > left:
            if right == left + 1:
                if r[p[right]] < r[p[left]]:
                    p[left], p[right] = p[right], p[left]
                return
            m = left + (right - left) // 2
            p[m], p[left + 1] = p[left + 1], p[m]
            for a, b in ((left + 1, right), (left, right), (left + 1, left)):
                if r[p[b]] < r[p[a]]:
                    p[a], p[b] = p[b], p[a]
            i, j, pivot = left + 1, right, r[p[left]]
            while True:
                i += 1
                while r[p[i]] < pivot:
                    i += 1
                j -= 1
                while pivot < r[p[j]]:
                    j -= 1
                if j < i:
                    break
                p[i], p[j] = p[j], p[i]
            p[left], p[j] = p[j], p[left]
            left, right = (i if j <= k else left), (j - 1 if j >= k else right)

    @njit
    def topk(r, p, k, ordered):
        if 64 * k <= len(p):
            partial_sort(r, p, 0, k, len(p))
        else:
            nth_element(r, p, k - 1, len(p))
            if ordered:
                sort(r, p, k - 1)

    return {"topk": topk, "sort": sort, "nth_element": nth_element, "quickselect": quickselect}


@cache
def algorithms() -> dict:
    import numba

    return build(numba.njit)


def arranged(name: str, ranks: np.ndarray, *args) -> np.ndarray:
    """The positions of a row with these dense ranks, after the algorithm of this name."""
    places = np.arange(len(ranks))
    algorithms()[name](ranks, places, *args)
    return places


def ranks_of(row: np.ndarray, descending: bool = False) -> np.ndarray:
    """The place of each element among the different ones; nan above all."""
    _, ranks = np.unique(row, return_inverse=True)
    ranks = ranks.reshape(-1).astype(np.int64)
    return ranks.max(initial=0) - ranks if descending else ranks
