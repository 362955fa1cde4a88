// The kernels of the renderer: strokes to a picture, the picture to views, and the way back. This file has what
// all of them share: their dialect, the layout of memory, small functions.
//
// The files are concatenated into one source for two compilers. NVRTC makes code for a GPU of it. A C++ compiler,
// with other definitions of the dialect (`tests/it/kernels/processor.h`), makes plain functions of it, with the
// same bits if both are told not to fuse multiplications with additions. The tests compare those functions with
// `render::cpu`, whose arithmetic they repeat in the same order; only sums of the gradient have another order.
//
// Nothing depends on the order in which blocks run: there are no atomic operations but on `needed`, which
// is a maximum, and every sum has one fixed order.
//
//   kernel               a block or thread is      it makes
//   flatten              warp: stroke              chords, bounds in tiles
//   bin_strokes          warp: tile x 32 strokes   which strokes touch which tile, one bit each
//   count_tile_strokes   block: scene              where the tile strokes of each tile start
//   list_tile_strokes    warp: tile                tile strokes
//   coverage_forward     block: tile stroke        coverage of 8 x 8 pixels by one stroke
//   composite_forward    block: tile               picture
//   pool_forward         thread: pixel             pooled picture, of a large canvas
//   views_forward        thread: pixel of a view   views
//   -- CLIP --
//   views_backward       thread: pixel             gradient on the picture, or on the pooled picture
//   pool_backward        thread: pixel             gradient on the picture of a large canvas
//   composite_backward   block: tile               gradient on the paint of each tile stroke
//   coverage_backward    block: tile stroke        gradient on a stroke, from one tile
//   sum_tile_strokes     warp: stroke              gradient on a stroke
//   update_moments       warp: stroke              moments of Adam, penalty on points far from a center
//   update_strokes       thread: number            strokes, moved and within their limits
//
// The last two run only where strokes stay on the device from step to step.
//
// Work is cut along tile strokes rather than tiles, because tiles are uneven: most have a few strokes, some
// have sixty. In every grid, y is the scene and x what the table says.
//
// Defined before this text, by `source.rs`: TILE, PIXELS, STROKE_STRIDE, HALF_WIDTH, COLOR, PARAMETERS, MAX_POINTS,
// NEEDED_CHORDS, NEEDED_TILE_STROKES, FROM_VIEWS, FROM_PENALTY, BETA_1, BETA_2, EPSILON, and the threads of a block: WARP,
// COUNT_THREADS, VIEW_THREADS, UPDATE_THREADS.

#ifndef ON_PROCESSOR
#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __forceinline__
#define SHARED __shared__
// A phase of a block: every thread runs the body with its index `t`, then all wait for one another. Code between
// phases is run by all threads alike; what it reads of shared memory may not be written in the next phase.
#define THREADS(count) for ([[maybe_unused]] int t = threadIdx.x, left = 1; left; left = 0, __syncthreads())
// A variable that each thread keeps from phase to phase. The thread's own is at [MINE].
#define PRIVATE(count) [1]
#define MINE 0
// Declares a word with one bit for each lane of a warp: whether `test`, which may use `lane`, holds there.
#define BALLOT(word, test)                                  \
    unsigned word;                                          \
    {                                                       \
        const int lane = threadIdx.x & 31;                  \
        word = __ballot_sync(0xffffffffu, (test));          \
    }
#define BIT_COUNT(word) __popc(word)
#define ATOMIC_MAX(place, value) atomicMax(place, value)
#endif

// Sizes of a scene, and where its part of each array starts.
struct SceneLayout {
    int width, height;          // of the canvas, in pixels
    int columns, rows;          // of tiles
    int strokes, words;         // words of 32 bits, one bit for each stroke
    int first_stroke;           // in every array that has an element or a row for each stroke
    int first_tile, first_word; // in `starts`, which has one more than there are tiles, and in `bits`
    int first_pixel;            // in pictures and their gradients, 3 planes each
    int first_view, views;
    int pooled_width, pooled_height; // of what views are sampled from: the picture, both sides halved so often
    int halvings;
    int first_pooled_pixel;     // in pooled pictures and their gradients; those that are not pooled have no place there
    float background[3];
};

// A straight piece of a stroke's centre line, and how its ends depend on four control points.
struct Chord {
    float start[2], vector[2]; // canvas pixels; the vector leads from the start to the end
    float inverse_square;      // one over the squared length, 0 for a chord without length
    int continues;             // whether the chord before it ends where this one starts
    int first_point, unused;
    float start_weights[4], end_weights[4];
};

// A stroke on a tile that it touches; both are counted from those of the scene.
struct TileStroke {
    int tile, stroke;
};

// How one view is resampled.
struct View {
    double source[3][3]; // from the view's pixels to the canvas's, in homogeneous coordinates
    float inverse[3][3]; // the way back, up to a factor
    int samples;         // along each axis of a pixel
};

// How the strokes of a scene move: the same in every step.
struct SceneUpdate {
    double center[2];                  // of the penalty on points that are far from it, in canvas pixels
    double scale;                      // its unit of distances, in canvas pixels
    double threshold, power, weight;   // weight 0: no penalty
    float min_half_width, max_half_width;
    int colors_by_one_measure, unused; // whether all colors share one second moment
};

// The learning rates of a scene in one step.
struct StepRates {
    double corrections[2]; // of the moments (`optimizer.rs`)
    float points, half_widths, colors, opacities; // 0: fixed
};

// What every kernel gets. An array of tile strokes has room for `max_tile_strokes` of each scene.
struct Batch {
    const SceneLayout *scenes;
    float *parameters;          // [strokes][STROKE_STRIDE]: coordinates, half width, red, green, blue, opacity
    const int *point_counts;    // [strokes]: 4, 7 or 10 control points
    const View *views;
    int *needed;                // [scenes][2]: the room that the scene needs, 0 before
    Chord *chords;              // [strokes][max_chords]
    int *chord_counts;          // [strokes]; COVERS_EVERYTHING for a stroke that needs none
    int *tile_bounds;           // [strokes][4]: first column and row of tiles, and those after the last
    unsigned *bits;             // [tiles][words]
    int *starts;                // [tiles + 1]
    TileStroke *tile_strokes;   // [tile strokes]
    float *coverage;            // [tile strokes][PIXELS]
    float *pictures;            // [3][H][W] of each scene
    float *pooled_pictures;     // [3][pooled height][pooled width] of each scene that is pooled
    float *sources;             // [views][side max_samples][side max_samples][2], where each sample lies
    float *view_pixels;         // [views][3][side][side]
    const float *view_gradient; // the same
    float *picture_gradient;    // as the pictures
    float *pooled_gradient;     // as the pooled pictures
    float *transmittance;       // [tile strokes][PIXELS]: what the strokes above let through
    float *paint_gradient;      // [tile strokes][PIXELS]
    float *contributions;       // [tile strokes][STROKE_STRIDE]: a tile's part of a stroke's gradient
    float *parameter_gradient;  // [strokes][STROKE_STRIDE]
    const SceneUpdate *updates; // [scenes]
    const StepRates *rates;     // [scenes]
    double *means;              // [strokes][STROKE_STRIDE]: Adam's moments
    double *squares;            // the same
    double *penalties;          // [strokes]
    int *not_finite;            // [scenes]: 0 before, FROM_VIEWS or FROM_PENALTY after a gradient that is not finite
    int max_chords, max_tile_strokes;
    int side;                   // of a view, in pixels
    int max_samples;            // the most samples of any view, along an axis
};

#define COVERS_EVERYTHING (-1)

// The largest radius of a window, in pixels, and the smallest distance of a sample from the edge of its pixel
// (`coverage.rs`).
#define WINDOW_RADIUS 1.11216f
#define MAX_WINDOW_RADIUS (WINDOW_RADIUS / 2.0f)
#define SAMPLE_INSET 0.125f
#define SQRT_2 1.41421356237309504880f

DEVICE float min_f(float a, float b) { return a < b ? a : b; }
DEVICE float max_f(float a, float b) { return a > b ? a : b; }
DEVICE double min_d(double a, double b) { return a < b ? a : b; }
DEVICE double max_d(double a, double b) { return a > b ? a : b; }
DEVICE int min_i(int a, int b) { return a < b ? a : b; }
DEVICE int max_i(int a, int b) { return a > b ? a : b; }
DEVICE bool is_finite(float a) { return a - a == 0.0f; }
DEVICE float clamp_unit(float a) { return min_f(max_f(a, 0.0f), 1.0f); }

DEVICE const float *stroke_parameters(const Batch &batch, int stroke) {
    return batch.parameters + (long long)stroke * STROKE_STRIDE;
}

DEVICE int tile_count(const SceneLayout &scene) { return scene.columns * scene.rows; }

// The first tile stroke of this block's scene in the arrays of tile strokes.
DEVICE long long first_tile_stroke(const Batch &batch) { return (long long)blockIdx.y * batch.max_tile_strokes; }
