
// ------------------------------------------------------------------------------------------------- compositing
// Strokes over one another, `below (1 - paint) + paint color` with `paint = coverage opacity`, and the way back:
//
//   top      c   T_c = 1                     T: the transmittance of what lies above, found from the top down
//            b   T_b = 1 - paint_c           B: the color below, found from the bottom up
//            a   T_a = T_b (1 - paint_b)
//   canvas       B_a = background            d picture / d paint_a = T_a (color_a - B_a)
//
// No division by `1 - paint`, so opaque strokes are no special case.

// The colors of some strokes of a tile, read by all threads of the block side by side.
struct Colors {
    float list[PIXELS][4];
};

DEVICE void read_color(Colors &colors, const Batch &batch, const SceneLayout &scene, int place, int t) {
    const int own = batch.tile_strokes[first_tile_stroke(batch) + place].stroke;
    const float *parameters = stroke_parameters(batch, scene.first_stroke + own);
#pragma unroll
    for (int channel = 0; channel < 4; ++channel) colors.list[t][channel] = clamp_unit(parameters[COLOR + channel]);
}

// Where a channel of pixel `t` of a tile lies in the pictures, or -1 beyond the edge of the canvas.
DEVICE long long picture_place(const SceneLayout &scene, int column, int row, int t, int channel) {
    const int x = column * TILE + t % TILE, y = row * TILE + t / TILE;
    if (x >= scene.width || y >= scene.height) return -1;
    return scene.first_pixel + ((long long)channel * scene.height + y) * scene.width + x;
}

KERNEL composite_forward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int tile = blockIdx.x;
    if (tile >= tile_count(scene)) return;
    const int column = tile % scene.columns, row = tile / scene.columns;
    const int *starts = batch.starts + scene.first_tile;
    const int first = starts[tile], last = starts[tile + 1];
    const float *coverage = batch.coverage + first_tile_stroke(batch) * PIXELS;
    SHARED Colors colors;
    float below PRIVATE(PIXELS)[3];
    THREADS(PIXELS) {
        for (int channel = 0; channel < 3; ++channel) below[MINE][channel] = scene.background[channel];
    }
    for (int begin = first; begin < last; begin += PIXELS) {
        const int count = min_i(PIXELS, last - begin);
        THREADS(PIXELS) {
            if (t < count) read_color(colors, batch, scene, begin + t, t);
        }
        THREADS(PIXELS) {
#pragma unroll 4
            for (int index = 0; index < count; ++index) {
                const float *color = colors.list[index];
                const float paint = coverage[(long long)(begin + index) * PIXELS + t] * color[3];
                const float rest = 1.0f - paint;
#pragma unroll
                for (int channel = 0; channel < 3; ++channel)
                    below[MINE][channel] = below[MINE][channel] * rest + paint * color[channel];
            }
        }
    }
    THREADS(PIXELS) {
        for (int channel = 0; channel < 3; ++channel) {
            const long long place = picture_place(scene, column, row, t, channel);
            if (place >= 0) batch.pictures[place] = below[MINE][channel];
        }
    }
}

KERNEL composite_backward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int tile = blockIdx.x;
    if (tile >= tile_count(scene)) return;
    const int column = tile % scene.columns, row = tile / scene.columns;
    const int *starts = batch.starts + scene.first_tile;
    const int first = starts[tile], last = starts[tile + 1];
    const long long base = first_tile_stroke(batch) * PIXELS;
    const float *coverage = batch.coverage + base;
    float *transmittances = batch.transmittance + base, *paint_gradient = batch.paint_gradient + base;
    SHARED Colors colors;
    float output_gradient PRIVATE(PIXELS)[3], below PRIVATE(PIXELS)[3], transmittance PRIVATE(PIXELS);
    THREADS(PIXELS) {
        transmittance[MINE] = 1.0f;
        for (int channel = 0; channel < 3; ++channel) {
            const long long place = picture_place(scene, column, row, t, channel);
            output_gradient[MINE][channel] = place >= 0 ? batch.picture_gradient[place] : 0.0f;
            below[MINE][channel] = scene.background[channel];
        }
    }
    for (int end = last; end > first; end -= PIXELS) {
        const int count = min_i(PIXELS, end - first), begin = end - count;
        THREADS(PIXELS) {
            if (t < count) read_color(colors, batch, scene, begin + t, t);
        }
        THREADS(PIXELS) {
#pragma unroll 4
            for (int index = count - 1; index >= 0; --index) {
                const long long at = (long long)(begin + index) * PIXELS + t;
                transmittances[at] = transmittance[MINE];
                transmittance[MINE] = transmittance[MINE] * (1.0f - coverage[at] * colors.list[index][3]);
            }
        }
    }
    for (int begin = first; begin < last; begin += PIXELS) {
        const int count = min_i(PIXELS, last - begin);
        THREADS(PIXELS) {
            if (t < count) read_color(colors, batch, scene, begin + t, t);
        }
        THREADS(PIXELS) {
#pragma unroll 4
            for (int index = 0; index < count; ++index) {
                const float *color = colors.list[index];
                const long long at = (long long)(begin + index) * PIXELS + t;
                const float paint = coverage[at] * color[3], rest = 1.0f - paint;
                float gradient = 0.0f;
#pragma unroll
                for (int channel = 0; channel < 3; ++channel) {
                    gradient += output_gradient[MINE][channel] * transmittances[at] *
                                (color[channel] - below[MINE][channel]);
                    below[MINE][channel] = below[MINE][channel] * rest + paint * color[channel];
                }
                paint_gradient[at] = gradient;
            }
        }
    }
}
