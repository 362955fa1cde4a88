
// ---------------------------------------------------------------------------------------------------- coverage
// How much of each pixel of a tile a stroke covers, as `coverage.rs` and `edge.rs` explain: the distance from a
// sample to the nearest point of the centre line gives the covered part of the sample's window.

// Room for candidates in shared memory. A tile has six or seven; a stroke that bends often can have more.
#ifndef MAX_CANDIDATES
#define MAX_CANDIDATES 96
#endif

// A chord relative to the first corner of a tile, where single precision is finest.
struct Candidate {
    float start[2], vector[2], along[2]; // along: the vector over its square
    int chord;                           // its index among those of the stroke
};

// The chords of a stroke that can be nearest to a sample of a tile.
struct Candidates {
    Candidate list[MAX_CANDIDATES];
    int count;        // may be more than there is room for
    bool is_solid;    // the stroke covers the whole tile
    float max_square; // no chord farther from the center of the tile can be nearest to a sample
};

// The stroke of a tile stroke, and its tile.
struct StrokeOnTile {
    const Chord *chords;
    int chord_count;
    int stroke, column, row;
    float half_width;
    float corner[2]; // of the tile, in canvas pixels
};

DEVICE StrokeOnTile stroke_on_tile(const Batch &batch, const SceneLayout &scene, long long place) {
    const TileStroke tile_stroke = batch.tile_strokes[place];
    StrokeOnTile on;
    on.stroke = scene.first_stroke + tile_stroke.stroke;
    on.column = tile_stroke.tile % scene.columns;
    on.row = tile_stroke.tile / scene.columns;
    on.chords = batch.chords + (long long)on.stroke * batch.max_chords;
    on.chord_count = batch.chord_counts[on.stroke];
    on.half_width = stroke_parameters(batch, on.stroke)[HALF_WIDTH];
    on.corner[0] = (float)(on.column * TILE);
    on.corner[1] = (float)(on.row * TILE);
    return on;
}

#define IS_NEAR 1  /* no farther than what can be nearest to a sample of the tile */
#define ENDS_BEFORE 2  /* the whole tile lies beyond its end, where another chord continues */
#define STARTS_BEYOND 4 /* the whole tile lies before its start, where another chord ends */

// What the chord at `index` is to a tile whose samples have their center at (x, y).
DEVICE int chord_state(const StrokeOnTile &on, int index, float x, float y, float max_square) {
    if (index < 0 || index >= on.chord_count) return 0;
    const Chord &chord = on.chords[index];
    const float along = (x - chord.start[0]) * chord.vector[0] + (y - chord.start[1]) * chord.vector[1];
    const float half_range = HALF_SIDE * (fabsf(chord.vector[0]) + fabsf(chord.vector[1]));
    const bool has_next = index + 1 < on.chord_count && on.chords[index + 1].continues;
    return (square_distance(chord, x, y) <= max_square ? IS_NEAR : 0) |
           ((along - half_range) * chord.inverse_square > 1.0f && has_next ? ENDS_BEFORE : 0) |
           ((along + half_range) * chord.inverse_square < 0.0f && chord.continues ? STARTS_BEYOND : 0);
}

// Whether a chord is a candidate, from its state and that of the chord before it. A neighbour offers the same
// nearest point as a chord beside the tile, so one of the two is enough (`drop_redundant_neighbors` in
// `binner.rs`).
DEVICE bool is_candidate(int before, int own) {
    const bool is_dropped_at_end = (before & (IS_NEAR | ENDS_BEFORE)) == (IS_NEAR | ENDS_BEFORE);
    return (own & (IS_NEAR | ENDS_BEFORE)) == IS_NEAR && ((own & STARTS_BEYOND) == 0 || is_dropped_at_end);
}

DEVICE void set_candidate(Candidate &candidate, const StrokeOnTile &on, int index) {
    const Chord &chord = on.chords[index];
#pragma unroll
    for (int axis = 0; axis < 2; ++axis) {
        candidate.start[axis] = chord.start[axis] - on.corner[axis];
        candidate.vector[axis] = chord.vector[axis];
        candidate.along[axis] = chord.vector[axis] * chord.inverse_square;
    }
    candidate.chord = index;
}

// The distance from the center of a tile to the nearest chord, found by all threads of a block.
DEVICE float nearest_chord(const StrokeOnTile &on, float x, float y) {
    SHARED float squares[PIXELS];
    THREADS(PIXELS) {
        float least = 3e38f;
        for (int index = t; index < on.chord_count; index += PIXELS)
            least = min_f(least, square_distance(on.chords[index], x, y));
        squares[t] = least;
    }
    for (int stride = PIXELS / 2; stride > 0; stride /= 2) {
        THREADS(PIXELS) {
            if (t < stride) squares[t] = min_f(squares[t], squares[t + stride]);
        }
    }
    return sqrtf(squares[0]);
}

// Finds the candidates, by all threads of a block. Some chord has distance D to the center of the tile, hence at
// most D + R to a sample, R being half a diagonal: the chord nearest to a sample is at most D + 2 R from the center.
DEVICE void find_candidates(Candidates &candidates, const StrokeOnTile &on) {
    const float x = tile_center(on.column), y = tile_center(on.row);
    const float nearest = nearest_chord(on, x, y);
    const bool is_solid =
        on.chord_count == COVERS_EVERYTHING || nearest + HALF_DIAGONAL <= on.half_width - MAX_WINDOW_RADIUS;
    float farthest = min_f(nearest + 2.0f * HALF_DIAGONAL, on.half_width + MAX_WINDOW_RADIUS + HALF_DIAGONAL);
    farthest = farthest * (1.0f + 1e-4f) + 1e-4f; // room for rounding
    const float max_square = farthest * farthest;
    SHARED unsigned char states[PIXELS + 1]; // of the chord before these, then of 64 chords
    int found = 0;
    for (int first = 0; first < on.chord_count && !is_solid; first += PIXELS) {
        THREADS(PIXELS) {
            states[t + 1] = chord_state(on, first + t, x, y, max_square);
            if (t == 0) states[0] = chord_state(on, first - 1, x, y, max_square);
        }
        BALLOT(low, is_candidate(states[lane], states[lane + 1]));
        BALLOT(high, is_candidate(states[lane + 32], states[lane + 33]));
        THREADS(PIXELS) {
            const unsigned own = t < 32 ? low : high, below = own & ((1u << (t % 32)) - 1u);
            const int place = found + BIT_COUNT(below) + (t < 32 ? 0 : BIT_COUNT(low));
            if ((own >> (t % 32) & 1u) && place < MAX_CANDIDATES) set_candidate(candidates.list[place], on, first + t);
        }
        found += BIT_COUNT(low) + BIT_COUNT(high);
    }
    THREADS(PIXELS) {
        if (t == 0) {
            candidates.count = found;
            candidates.is_solid = is_solid;
            candidates.max_square = max_square;
        }
    }
}

// A stroke's half width and how its pixels are sampled.
struct Pen {
    float half_width, inverse_radius;
    int samples; // along each axis of a pixel
    bool is_thin; // a window can reach over both sides of the stroke
};

DEVICE Pen pen_of(float half_width) {
    Pen pen;
    pen.half_width = half_width;
    pen.samples = half_width < 1.0f ? 4 : 2;
    pen.inverse_radius = (float)pen.samples / WINDOW_RADIUS;
    pen.is_thin = half_width * pen.inverse_radius < 1.0f;
    return pen;
}

// The weight of the window at a position from -1 to 1, and its integral.
DEVICE float window_at(float position) {
    const float rest = 1.0f - position * position;
    return rest * rest * rest * (35.0f / 32.0f);
}
DEVICE float window_below(float position) {
    const float square = position * position;
    float inner = 21.0f / 32.0f - square * (5.0f / 32.0f);
    inner = 35.0f / 32.0f - square * inner;
    inner = 35.0f / 32.0f - square * inner;
    return 0.5f + position * inner;
}

// Signed distances to the near and to the far outline, in window radii.
DEVICE float inside(const Pen &pen, float distance) {
    return min_f(max_f((pen.half_width - distance) * pen.inverse_radius, -1.0f), 1.0f);
}
DEVICE float across(const Pen &pen, float distance) {
    return min_f((distance + pen.half_width) * pen.inverse_radius, 1.0f);
}

// One column of the samples of a pixel, and the nearest point of each: the square of its distance, the offset from
// it to the sample, its position along its chord, and the chord.
template <int SAMPLES>
struct SampleColumn {
    float square[SAMPLES], dx[SAMPLES], dy[SAMPLES], along[SAMPLES];
    int chord[SAMPLES];
};

// Updates the nearest points by one more chord. (left, top) is where the column lies: left in pixels of the tile,
// top in samples. Only the squares are kept unless there is a gradient to be made.
template <int SAMPLES, bool WITH_GRADIENT>
DEVICE void approach(SampleColumn<SAMPLES> &column, const Candidate &candidate, float left, float top) {
    const float step = 1.0f / (float)SAMPLES;
    const float x = left - candidate.start[0];
    const float along_x = x * candidate.along[0];
#pragma unroll
    for (int line = 0; line < SAMPLES; ++line) {
        const float y = (top + (float)line + 0.5f) * step - candidate.start[1];
        const float along = clamp_unit(along_x + candidate.along[1] * y);
        const float dx = x - along * candidate.vector[0];
        const float dy = y - along * candidate.vector[1];
        const float square = dx * dx + dy * dy;
        // Strictly nearer: where two chords meet in one point, the first one keeps it.
        const bool is_nearer = square < column.square[line];
        column.square[line] = is_nearer ? square : column.square[line];
        if (WITH_GRADIENT) {
            column.dx[line] = is_nearer ? dx : column.dx[line];
            column.dy[line] = is_nearer ? dy : column.dy[line];
            column.along[line] = is_nearer ? along : column.along[line];
            column.chord[line] = is_nearer ? candidate.chord : column.chord[line];
        }
    }
}

template <int SAMPLES, bool WITH_GRADIENT>
DEVICE void nearest_points(SampleColumn<SAMPLES> &column, const Candidates &candidates, const StrokeOnTile &on,
                           float left, float top) {
#pragma unroll
    for (int line = 0; line < SAMPLES; ++line) {
        column.square[line] = 1e30f;
        column.dx[line] = 1e15f;
        column.dy[line] = column.along[line] = 0.0f;
        column.chord[line] = 0;
    }
    if (candidates.count <= MAX_CANDIDATES) {
        for (int place = 0; place < candidates.count; ++place)
            approach<SAMPLES, WITH_GRADIENT>(column, candidates.list[place], left, top);
    } else { // too many for shared memory, so they are found again among the chords of the stroke
        const float x = tile_center(on.column), y = tile_center(on.row);
        int before = 0;
        for (int index = 0; index < on.chord_count; ++index) {
            const int own = chord_state(on, index, x, y, candidates.max_square);
            if (is_candidate(before, own)) {
                Candidate candidate;
                set_candidate(candidate, on, index);
                approach<SAMPLES, WITH_GRADIENT>(column, candidate, left, top);
            }
            before = own;
        }
    }
}

// Where column `step` of the samples of a pixel lies: x in pixels of the tile, and y in samples.
DEVICE float column_left(int pixel, int step, int samples) {
    return (float)(pixel % TILE) + ((float)step + 0.5f) / (float)samples;
}
DEVICE float column_top(int pixel, int samples) { return (float)(pixel / TILE * samples); }

template <int SAMPLES>
DEVICE float pixel_coverage(const Pen &pen, const Candidates &candidates, const StrokeOnTile &on, int pixel) {
    // Even and odd columns apart, as the processor adds them up.
    float sums[2] = {0.0f, 0.0f};
#pragma unroll
    for (int step = 0; step < SAMPLES; ++step) {
        SampleColumn<SAMPLES> column;
        nearest_points<SAMPLES, false>(column, candidates, on, column_left(pixel, step, SAMPLES),
                                       column_top(pixel, SAMPLES));
#pragma unroll
        for (int line = 0; line < SAMPLES; ++line) {
            const float distance = sqrtf(column.square[line]);
            float covered = window_below(inside(pen, distance));
            if (pen.is_thin) covered -= 1.0f - window_below(across(pen, distance));
            sums[step % 2] += covered;
        }
    }
    return (sums[0] + sums[1]) * (1.0f / (float)(SAMPLES * SAMPLES));
}

// Grid x: any number of blocks, which take turns with the tile strokes.
KERNEL coverage_forward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int count = batch.starts[scene.first_tile + tile_count(scene)];
    SHARED Candidates candidates;
    for (int own = blockIdx.x; own < count; own += gridDim.x) {
        const long long place = first_tile_stroke(batch) + own;
        const StrokeOnTile on = stroke_on_tile(batch, scene, place);
        find_candidates(candidates, on);
        THREADS(PIXELS) {
            float covered = 1.0f;
            if (!candidates.is_solid) {
                const Pen pen = pen_of(on.half_width);
                covered = pen.samples == 4 ? pixel_coverage<4>(pen, candidates, on, t)
                                           : pixel_coverage<2>(pen, candidates, on, t);
            }
            batch.coverage[place * PIXELS + t] = covered;
        }
    }
}
