// The dialect of the kernels for a processor: a block is a call, and its threads are a loop within each phase.
// Every phase ends with a barrier, and no thread may read what another writes in the same phase, so the loop gives
// what a GPU gives. `set_order` changes the order of the loop, which shows a phase that breaks this rule.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#define ON_PROCESSOR
#define KERNEL static void
#define DEVICE static inline
#define SHARED static thread_local
#define THREADS(count) for ([[maybe_unused]] int turn = 0, t = thread_at(0, count); turn < (count); t = thread_at(++turn, count))
#define PRIVATE(count) [count]
#define MINE t
#define BALLOT(word, test)                  \
    unsigned word = 0;                      \
    for (int lane = 0; lane < 32; ++lane) { \
        if (test) word |= 1u << lane;       \
    }
#define BIT_COUNT(word) __builtin_popcount(word)
#define ATOMIC_MAX(place, value) (*(place) = std::max(*(place), (value)))

struct Index {
    int x, y;
};
static thread_local Index blockIdx, gridDim;

// The thread of a turn is `(turn * factor + first) mod count`. The counts are powers of two, so that every odd
// factor reaches all threads.
static thread_local unsigned thread_factor = 1, first_thread = 0;

static inline int thread_at(int turn, int count) {
    return (int)(((unsigned)turn * thread_factor + first_thread) & (unsigned)(count - 1));
}

// Calls a kernel for every block, in an order that `seed` chooses; 0 is the natural one.
template <class Arguments>
static void launch(void (*kernel)(Arguments), int columns, int rows, unsigned seed, const Arguments &arguments) {
    gridDim = {columns, rows};
    std::vector<int> blocks((size_t)columns * rows);
    std::iota(blocks.begin(), blocks.end(), 0);
    std::mt19937 random(seed);
    if (seed != 0) std::shuffle(blocks.begin(), blocks.end(), random);
    for (int block : blocks) {
        thread_factor = seed == 0 ? 1 : 2 * random() + 1;
        first_thread = seed == 0 ? 0 : random();
        blockIdx = {block % columns, block / columns};
        kernel(arguments);
    }
}
