
// ------------------------------------------------------------------------------------------------ strokes to tiles
// A tile is represented by the circle around its samples: a stroke whose outline lies outside of it does not touch
// the tile (`binner.rs` has the picture). Here every tile is tested at once, where the processor quarters the canvas.

DEVICE float square_distance(const Chord &chord, float x, float y) {
    x -= chord.start[0];
    y -= chord.start[1];
    const float along = clamp_unit((x * chord.vector[0] + y * chord.vector[1]) * chord.inverse_square);
    x -= along * chord.vector[0];
    y -= along * chord.vector[1];
    return x * x + y * y;
}

// Half the side of the square that the samples of a tile lie in, and half its diagonal.
#define HALF_SIDE (0.5f * TILE - SAMPLE_INSET)
#define HALF_DIAGONAL (HALF_SIDE * SQRT_2)

DEVICE float tile_center(int place) { return (float)(place * TILE) + 0.5f * TILE; }

DEVICE bool touches(const Batch &batch, const SceneLayout &scene, int own, int column, int row) {
    if (own >= scene.strokes) return false;
    const int stroke = scene.first_stroke + own, chord_count = batch.chord_counts[stroke];
    const int *bounds = batch.tile_bounds + 4 * stroke;
    if (column < bounds[0] || row < bounds[1] || column >= bounds[2] || row >= bounds[3]) return false;
    if (chord_count == COVERS_EVERYTHING) return true;
    const Chord *chords = batch.chords + (long long)stroke * batch.max_chords;
    const float x = tile_center(column), y = tile_center(row);
    float nearest = 3e38f;
    for (int index = 0; index < chord_count; ++index) nearest = min_f(nearest, square_distance(chords[index], x, y));
    const float half_width = stroke_parameters(batch, stroke)[HALF_WIDTH];
    return sqrtf(nearest) <= half_width + MAX_WINDOW_RADIUS + HALF_DIAGONAL;
}

// Grid x: tiles times words.
KERNEL bin_strokes(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int tile = blockIdx.x / scene.words, word = blockIdx.x % scene.words;
    if (tile >= tile_count(scene)) return;
    const int column = tile % scene.columns, row = tile / scene.columns;
    BALLOT(bits, touches(batch, scene, 32 * word + lane, column, row));
    THREADS(WARP) {
        if (t == 0) batch.bits[scene.first_word + tile * scene.words + word] = bits;
    }
}

// The running sum of the tile strokes of all tiles: each thread adds up some consecutive tiles, then the threads
// before it.
KERNEL count_tile_strokes(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int tiles = tile_count(scene), part = (tiles + COUNT_THREADS - 1) / COUNT_THREADS;
    int *starts = batch.starts + scene.first_tile;
    const unsigned *bits = batch.bits + scene.first_word;
    SHARED int sums[COUNT_THREADS];
    THREADS(COUNT_THREADS) {
        int sum = 0;
        for (int tile = t * part; tile < min_i(tiles, (t + 1) * part); ++tile) {
            starts[tile] = sum;
            for (int word = 0; word < scene.words; ++word) sum += BIT_COUNT(bits[tile * scene.words + word]);
        }
        sums[t] = sum;
    }
    THREADS(COUNT_THREADS) {
        int before = 0;
        for (int other = 0; other < t; ++other) before += sums[other];
        // Without enough room the last ones are left out, so that nothing is written outside of it.
        for (int tile = t * part; tile < min_i(tiles, (t + 1) * part); ++tile)
            starts[tile] = min_i(starts[tile] + before, batch.max_tile_strokes);
        if (t == COUNT_THREADS - 1) {
            const int all = before + sums[t];
            starts[tiles] = min_i(all, batch.max_tile_strokes);
            ATOMIC_MAX(batch.needed + 2 * blockIdx.y + NEEDED_TILE_STROKES, all);
        }
    }
}

// How many strokes below this one touch the tile with these bits.
DEVICE int rank_in_tile(const unsigned *words, int own) {
    int rank = BIT_COUNT(words[own / 32] & ((1u << (own % 32)) - 1u));
    for (int word = 0; word < own / 32; ++word) rank += BIT_COUNT(words[word]);
    return rank;
}

DEVICE bool has_bit(const unsigned *words, int own) { return (words[own / 32] >> (own % 32) & 1u) != 0; }

// Tile strokes in the order of tiles, and on each tile in painter's order: the bits give each its place, so
// there is nothing to sort.
KERNEL list_tile_strokes(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int tile = blockIdx.x;
    if (tile >= tile_count(scene)) return;
    const unsigned *words = batch.bits + scene.first_word + tile * scene.words;
    const int start = batch.starts[scene.first_tile + tile];
    TileStroke *tile_strokes = batch.tile_strokes + first_tile_stroke(batch);
    THREADS(WARP) {
        for (int own = t; own < scene.strokes; own += WARP) {
            if (!has_bit(words, own)) continue;
            const int place = start + rank_in_tile(words, own);
            if (place < batch.max_tile_strokes) {
                tile_strokes[place].tile = tile;
                tile_strokes[place].stroke = own;
            }
        }
    }
}
