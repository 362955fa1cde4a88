
// ------------------------------------------------------------------------------------------- gradient of strokes
// From the gradient on the paint of a tile stroke to the parameters of its stroke. Each thread has one pixel
// and adds up what its samples give to every parameter; the pixels of a tile and then the tiles of a stroke are
// added up in a fixed order.

// The place of a parameter in shared memory, those of all threads side by side. The odd stride keeps threads that
// work on different parameters out of each other's memory banks.
#define SLOT(parameter, thread) ((parameter) * (PIXELS + 1) + (thread))

// What some samples of a pixel, all nearest to one chord, give to its ends (`backward_chords` in `backward.rs`):
// `whole` to both together, `end` to its end.
struct ChordGradient {
    float whole[2], end[2];
    int chord; // -1: none yet
};

// Takes the gradient of a chord's ends on to the four control points that they are weighted sums of.
DEVICE void add_chord(float *parts, int t, const ChordGradient &gradient, const StrokeOnTile &on) {
    if (gradient.chord < 0) return;
    const Chord &chord = on.chords[gradient.chord];
    for (int index = 0; index < 4; ++index) {
        for (int axis = 0; axis < 2; ++axis) {
            const int parameter = 2 * (chord.first_point + index) + axis;
            const float start = gradient.whole[axis] - gradient.end[axis];
            parts[SLOT(parameter, t)] +=
                chord.start_weights[index] * start + chord.end_weights[index] * gradient.end[axis];
        }
    }
}

// Adds the gradient of the control points, and returns the derivative of the coverage by the half width.
template <int SAMPLES>
DEVICE float pixel_backward(float *parts, const Pen &pen, const Candidates &candidates, const StrokeOnTile &on, int t,
                            float coverage_gradient) {
    const float sample_weight = 1.0f / (float)(SAMPLES * SAMPLES);
    float d_half_width = 0.0f;
    ChordGradient current = {{0.0f, 0.0f}, {0.0f, 0.0f}, -1};
    for (int step = 0; step < SAMPLES; ++step) {
        SampleColumn<SAMPLES> column;
        nearest_points<SAMPLES, true>(column, candidates, on, column_left(t, step, SAMPLES), column_top(t, SAMPLES));
#pragma unroll
        for (int line = 0; line < SAMPLES; ++line) {
            const float distance = sqrtf(column.square[line]);
            const float near = window_at(inside(pen, distance)) * pen.inverse_radius;
            float wider = near, nearer = near; // derivatives by the half width and by coming nearer
            if (pen.is_thin) {
                const float far = window_at(across(pen, distance)) * pen.inverse_radius;
                wider += far;
                nearer -= far;
            }
            d_half_width += wider;
            if (!(wider > 0.0f)) continue;
            if (column.chord[line] != current.chord) {
                add_chord(parts, t, current, on);
                current = {{0.0f, 0.0f}, {0.0f, 0.0f}, column.chord[line]};
            }
            const float pull = nearer / max_f(distance, 1e-6f) * sample_weight * coverage_gradient;
            const float right = pull * column.dx[line], down = pull * column.dy[line];
            current.whole[0] += right;
            current.whole[1] += down;
            current.end[0] += right * column.along[line];
            current.end[1] += down * column.along[line];
        }
    }
    add_chord(parts, t, current, on);
    return d_half_width * sample_weight;
}

// Sets the parts of one pixel.
DEVICE void set_parts(float *parts, const Batch &batch, const SceneLayout &scene, long long place,
                      const StrokeOnTile &on, const Candidates &candidates, int t) {
    for (int parameter = 0; parameter < PARAMETERS; ++parameter) parts[SLOT(parameter, t)] = 0.0f;
    if (picture_place(scene, on.column, on.row, t, 0) < 0) return;
    const float opacity = clamp_unit(stroke_parameters(batch, on.stroke)[COLOR + 3]);
    const long long at = place * PIXELS + t;
    const float coverage = batch.coverage[at], paint_gradient = batch.paint_gradient[at];
    for (int channel = 0; channel < 3; ++channel) {
        const long long pixel = picture_place(scene, on.column, on.row, t, channel);
        parts[SLOT(COLOR + channel, t)] =
            batch.picture_gradient[pixel] * batch.transmittance[at] * (coverage * opacity);
    }
    parts[SLOT(COLOR + 3, t)] = paint_gradient * coverage;
    if (candidates.is_solid) return;
    const Pen pen = pen_of(on.half_width);
    const float coverage_gradient = paint_gradient * opacity;
    const float d_half_width =
        pen.samples == 4 ? pixel_backward<4>(parts, pen, candidates, on, t, coverage_gradient)
                         : pixel_backward<2>(parts, pen, candidates, on, t, coverage_gradient);
    parts[SLOT(HALF_WIDTH, t)] = coverage_gradient * d_half_width;
}

// Grid x: any number of blocks, which take turns with the tile strokes.
KERNEL coverage_backward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int count = batch.starts[scene.first_tile + tile_count(scene)];
    SHARED Candidates candidates;
    SHARED float parts[PARAMETERS * (PIXELS + 1)];
    SHARED float halves[2 * STROKE_STRIDE];
    for (int own = blockIdx.x; own < count; own += gridDim.x) {
        const long long place = first_tile_stroke(batch) + own;
        const StrokeOnTile on = stroke_on_tile(batch, scene, place);
        find_candidates(candidates, on);
        THREADS(PIXELS) { set_parts(parts, batch, scene, place, on, candidates, t); }
        // Thread t adds up one half of the pixels for parameter t modulo STROKE_STRIDE.
        THREADS(PIXELS) {
            const int parameter = t % STROKE_STRIDE, first = t / STROKE_STRIDE * (PIXELS / 2);
            float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            for (int pixel = 0; parameter < PARAMETERS && pixel < PIXELS / 2; pixel += 4)
                for (int lane = 0; lane < 4; ++lane) sums[lane] += parts[SLOT(parameter, first + pixel + lane)];
            halves[t] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        }
        THREADS(PIXELS) {
            if (t < STROKE_STRIDE)
                batch.contributions[place * STROKE_STRIDE + t] = halves[t] + halves[t + STROKE_STRIDE];
        }
    }
}

// Adds up what all tiles give to a stroke, in the order of the tiles within its bounds, 32 tiles at a time.
KERNEL sum_tile_strokes(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int own = blockIdx.x;
    if (own >= scene.strokes) return;
    const int stroke = scene.first_stroke + own;
    const int *bounds = batch.tile_bounds + 4 * stroke, *starts = batch.starts + scene.first_tile;
    const int columns = bounds[2] - bounds[0], tiles = columns * (bounds[3] - bounds[1]);
    const float *contributions = batch.contributions + first_tile_stroke(batch) * STROKE_STRIDE;
    SHARED int places[STROKE_STRIDE];
    float sum PRIVATE(STROKE_STRIDE);
    THREADS(STROKE_STRIDE) { sum[MINE] = 0.0f; }
    for (int first = 0; first < tiles; first += STROKE_STRIDE) {
        THREADS(STROKE_STRIDE) {
            places[t] = -1;
            if (first + t < tiles) {
                const int column = bounds[0] + (first + t) % columns, row = bounds[1] + (first + t) / columns;
                const int tile = row * scene.columns + column;
                const unsigned *words = batch.bits + scene.first_word + tile * scene.words;
                if (has_bit(words, own)) places[t] = starts[tile] + rank_in_tile(words, own);
            }
        }
        THREADS(STROKE_STRIDE) {
            for (int index = 0; index < STROKE_STRIDE; ++index) {
                const int place = places[index];
                if (place >= 0 && place < batch.max_tile_strokes)
                    sum[MINE] += contributions[(long long)place * STROKE_STRIDE + t];
            }
        }
    }
    THREADS(STROKE_STRIDE) { batch.parameter_gradient[(long long)stroke * STROKE_STRIDE + t] = sum[MINE]; }
}
