// The kernels as a library for the processor.
#include "processor.h"

#include "kernels.cu"

#include <cstring>

// Runs a kernel; returns whether there is one of that name.
extern "C" int run_kernel(const char *name, int columns, int rows, unsigned seed, const Batch *batch) {
#define RUN(kernel) \
    if (strcmp(name, #kernel) == 0) return launch<Batch>(kernel, columns, rows, seed, *batch), 1
    RUN(flatten);
    RUN(bin_strokes);
    RUN(count_tile_strokes);
    RUN(list_tile_strokes);
    RUN(coverage_forward);
    RUN(composite_forward);
    RUN(pool_forward);
    RUN(views_forward);
    RUN(views_backward);
    RUN(pool_backward);
    RUN(composite_backward);
    RUN(coverage_backward);
    RUN(sum_tile_strokes);
    RUN(update_moments);
    RUN(update_strokes);
    return 0;
}

// The picture of a scene, or the gradient on it, and how many numbers that is.
extern "C" const float *picture_of(const Batch *batch, int scene, int is_gradient, int *count) {
    const SceneLayout &layout = batch->scenes[scene];
    *count = 3 * layout.width * layout.height;
    return (is_gradient ? batch->picture_gradient : batch->pictures) + layout.first_pixel;
}

extern "C" void sizes_of(size_t sizes[7]) {
    const size_t all[7] = {sizeof(SceneLayout), sizeof(View),        sizeof(Chord), sizeof(TileStroke),
                           sizeof(SceneUpdate), sizeof(StepRates), sizeof(Batch)};
    std::copy(all, all + 7, sizes);
}
