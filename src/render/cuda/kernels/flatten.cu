
// ------------------------------------------------------------------------------------------------------ flatten
// Cubic segments to chords, as `chord.rs` explains. A block of one warp works on one stroke: its first lane halves
// segments until a piece needs few enough chords, then every lane makes one chord of that piece.

#define TOLERANCE 0.06
#define MIN_CHORDS_PER_PIECE 4.0
#define MAX_CHORDS_PER_PIECE 32.0 /* the lanes of a warp */
#define MAX_CHORDS_PER_SEGMENT 4096
#define MAX_HALVINGS 72
#define MAX_HALF_WIDTH 1048576.0f
#define MIN_SQUARE_LENGTH 1e-12
#define MARGIN 2.0

struct Box {
    double min[2], max[2];
};

DEVICE void include(Box &box, int axis, double place) {
    box.min[axis] = min_d(box.min[axis], place);
    box.max[axis] = max_d(box.max[axis], place);
}

DEVICE Box empty_box() {
    Box box;
    for (int axis = 0; axis < 2; ++axis) box.min[axis] = 1e300, box.max[axis] = -1e300;
    return box;
}

// Where chords meet: a position, and the weight of each of four control points in it.
struct Joint {
    double position[2], weights[4];
};

// A part of a segment: its own control points, and its range of the segment's parameter.
struct Piece {
    double points[4][2], from, to;
    int halvings; // that are still allowed
};

// The search for pieces, from the start of the stroke to its end.
struct PieceSearch {
    Piece pending[MAX_HALVINGS + 1]; // parts of the segment that are still to be looked at, the next one last
    int pending_count;
    int next_point;      // the first control point of the next segment
    int kept_before;     // chords of the segments before
    Piece found;
    int first_point;     // of the segment of the piece
    int chord_count;     // of the piece; 0: there are no more pieces
    bool is_interrupted; // something was left out before the piece
};

// `B(t) - h^2/12 B''(t)`: the weight of each control point in a joint of chords that span `step` on both sides.
DEVICE void set_joint_weights(double weights[4], double t, double step) {
    const double rest = 1.0 - t, outward = -0.5 * step * step;
    weights[0] = rest * rest * rest + outward * rest;
    weights[1] = 3.0 * rest * rest * t + outward * (3.0 * t - 2.0);
    weights[2] = 3.0 * rest * t * t + outward * (1.0 - 3.0 * t);
    weights[3] = t * t * t + outward * t;
}

DEVICE void set_joint(Joint &joint, const Piece &piece, double part, double step) {
    const double width = piece.to - piece.from;
    double local[4];
    set_joint_weights(local, part, step);
    for (int axis = 0; axis < 2; ++axis) {
        double sum = -0.0; // what Rust's sums of floats start from
        for (int index = 0; index < 4; ++index) sum += local[index] * piece.points[index][axis];
        joint.position[axis] = sum;
    }
    set_joint_weights(joint.weights, piece.from + part * width, step * width);
}

DEVICE double bend(const double a[2], const double b[2], const double c[2]) {
    const double x = a[0] - 2.0 * b[0] + c[0], y = a[1] - 2.0 * b[1] + c[1];
    return sqrt(x * x + y * y);
}

// How many equal steps of the parameter keep the chords within the tolerance (Wang's formula).
DEVICE double wanted_chords(const Piece &piece) {
    const double bent = max_d(bend(piece.points[0], piece.points[1], piece.points[2]),
                              bend(piece.points[1], piece.points[2], piece.points[3]));
    return max_d(ceil(sqrt(0.75 * bent / TOLERANCE)), MIN_CHORDS_PER_PIECE);
}

DEVICE bool intersects(const Piece &piece, const Box &clip) {
    bool meets = true;
    for (int axis = 0; axis < 2; ++axis) {
        Box box = empty_box();
        for (int index = 0; index < 4; ++index) include(box, axis, piece.points[index][axis]);
        meets = meets && clip.min[axis] <= box.max[axis] && box.min[axis] <= clip.max[axis];
    }
    return meets;
}

// Splits a piece in the middle (de Casteljau): the second half takes its place, the first is returned.
DEVICE void halve(Piece &piece, Piece &first) {
    for (int axis = 0; axis < 2; ++axis) {
        const double a = piece.points[0][axis], b = piece.points[1][axis];
        const double c = piece.points[2][axis], d = piece.points[3][axis];
        const double ab = 0.5 * (a + b), bc = 0.5 * (b + c), cd = 0.5 * (c + d);
        const double abc = 0.5 * (ab + bc), bcd = 0.5 * (bc + cd), center = 0.5 * (abc + bcd);
        first.points[0][axis] = a, first.points[1][axis] = ab;
        first.points[2][axis] = abc, first.points[3][axis] = center;
        piece.points[0][axis] = center, piece.points[1][axis] = bcd;
        piece.points[2][axis] = cd, piece.points[3][axis] = d;
    }
    first.from = piece.from;
    first.to = piece.from = 0.5 * (piece.from + piece.to);
    first.halvings = piece.halvings -= 1;
}

DEVICE void start_segment(PieceSearch &search, const float *coordinates, int kept) {
    Piece &whole = search.pending[0];
    for (int index = 0; index < 8; ++index)
        whole.points[index / 2][index % 2] = coordinates[2 * search.next_point + index];
    whole.from = 0.0;
    whole.to = 1.0;
    whole.halvings = MAX_HALVINGS;
    search.pending_count = 1;
    search.first_point = search.next_point;
    search.next_point += 3;
    search.kept_before = kept;
}

// Finds the next piece that can touch the canvas. `kept` is the number of the stroke's chords so far.
DEVICE void find_piece(PieceSearch &search, const float *coordinates, int points, const Box &clip, int kept) {
    search.chord_count = 0;
    search.is_interrupted = false;
    for (;;) {
        if (search.pending_count == 0) {
            if (search.next_point + 3 >= points) return;
            start_segment(search, coordinates, kept);
        }
        Piece &piece = search.pending[search.pending_count - 1];
        if (!intersects(piece, clip) || kept - search.kept_before >= MAX_CHORDS_PER_SEGMENT) {
            search.is_interrupted = true;
            search.pending_count -= 1;
            continue;
        }
        const double wanted = wanted_chords(piece);
        if (wanted <= MAX_CHORDS_PER_PIECE || piece.halvings == 0) {
            search.chord_count = (int)min_d(wanted, MAX_CHORDS_PER_PIECE);
            search.found = piece;
            search.pending_count -= 1;
            return;
        }
        halve(piece, search.pending[search.pending_count]);
        search.pending_count += 1;
    }
}

// A chord before it is clipped, and the part of it that lies inside the clip box.
struct ChordDraft {
    Joint start, end;
    double enter, leave;
};

#define IS_KEPT 1          /* some of the chord lies inside */
#define ENDS_UNCLIPPED 2   /* up to its end */
#define STARTS_UNCLIPPED 4 /* from its start on */

// The part of the line inside the box lies between the last of its entries and the first of its exits (Liang
// and Barsky).
DEVICE int draft_chord(ChordDraft &draft, const Piece &piece, int index, int count, const Box &clip) {
    const double step = 1.0 / count;
    const bool is_last = index + 1 == count;
    set_joint(draft.start, piece, index == 0 ? 0.0 : index * step, index == 0 ? 0.0 : step);
    set_joint(draft.end, piece, is_last ? 1.0 : (index + 1) * step, is_last ? 0.0 : step);
    double enter = 0.0, leave = 1.0;
    bool is_beside = false;
    for (int axis = 0; axis < 2; ++axis) {
        const double start = draft.start.position[axis], delta = draft.end.position[axis] - start;
        const double to_min = clip.min[axis] - start, to_max = clip.max[axis] - start;
        if (delta == 0.0) {
            is_beside = is_beside || to_min > 0.0 || to_max < 0.0;
            continue;
        }
        const double first = to_min / delta, last = to_max / delta;
        enter = max_d(enter, min_d(first, last));
        leave = min_d(leave, max_d(first, last));
    }
    draft.enter = enter;
    draft.leave = leave;
    if (is_beside || !(enter <= leave)) return 0;
    return IS_KEPT | (leave >= 1.0 ? ENDS_UNCLIPPED : 0) | (enter <= 0.0 ? STARTS_UNCLIPPED : 0);
}

DEVICE void set_chord(Chord &chord, const ChordDraft &draft, bool continues, int first_point) {
    const Joint &start = draft.start, &end = draft.end;
    double vector[2];
    for (int axis = 0; axis < 2; ++axis) {
        const double from = start.position[axis], to = end.position[axis];
        const double first = draft.enter <= 0.0 ? from : from + draft.enter * (to - from);
        const double last = draft.leave >= 1.0 ? to : from + draft.leave * (to - from);
        vector[axis] = last - first;
        chord.start[axis] = (float)first;
        chord.vector[axis] = (float)vector[axis];
    }
    const double square = vector[0] * vector[0] + vector[1] * vector[1];
    chord.inverse_square = square > MIN_SQUARE_LENGTH ? (float)(1.0 / square) : 0.0f;
    chord.continues = continues;
    chord.first_point = first_point;
    chord.unused = 0;
    for (int index = 0; index < 4; ++index) {
        const double from = start.weights[index], to = end.weights[index];
        chord.start_weights[index] = (float)(draft.enter <= 0.0 ? from : from + draft.enter * (to - from));
        chord.end_weights[index] = (float)(draft.leave >= 1.0 ? to : from + draft.leave * (to - from));
    }
}

// Whether a chord of any size comes within `distance` pixels of a point.
DEVICE bool is_within(const Chord &chord, const double center[2], float distance) {
    const double x = center[0] - chord.start[0], y = center[1] - chord.start[1];
    const double right = chord.vector[0], down = chord.vector[1], square = right * right + down * down;
    const double along = square > 0.0 ? min_d(max_d((x * right + y * down) / square, 0.0), 1.0) : 0.0;
    const double dx = x - along * right, dy = y - along * down;
    return sqrt(dx * dx + dy * dy) <= distance;
}

// A stroke without width, or with a number that is not finite, is not painted.
DEVICE bool is_painted(const float *parameters, int points) {
    bool is_painted = parameters[HALF_WIDTH] > 0.0f;
    for (int index = 0; index < PARAMETERS; ++index)
        if (index < 2 * points || index >= HALF_WIDTH) is_painted = is_painted && is_finite(parameters[index]);
    return is_painted;
}

// The tiles within a box, grown by the half width and the radius of a window.
DEVICE void set_tile_bounds(int bounds[4], const Box &box, float half_width, const SceneLayout &scene) {
    const double grown = half_width + MAX_WINDOW_RADIUS;
    const int tiles[2] = {scene.columns, scene.rows};
    for (int axis = 0; axis < 2; ++axis) {
        const double lowest = floor((box.min[axis] - grown) / TILE);
        const double highest = floor((box.max[axis] + grown) / TILE);
        bounds[axis] = (int)min_d(max_d(lowest, 0.0), tiles[axis]);
        bounds[axis + 2] = (int)min_d(max_d(highest, -1.0) + 1.0, tiles[axis]);
    }
}

KERNEL flatten(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    if ((int)blockIdx.x >= scene.strokes) return;
    const int stroke = scene.first_stroke + blockIdx.x;
    const float *parameters = stroke_parameters(batch, stroke);
    const float half_width = parameters[HALF_WIDTH];
    const int points = is_painted(parameters, batch.point_counts[stroke]) ? batch.point_counts[stroke] : 0;
    // The outline of a wider stroke cannot be resolved, so the whole canvas counts as one point.
    const bool is_wide = half_width > MAX_HALF_WIDTH;
    const double center[2] = {0.5 * scene.width, 0.5 * scene.height};
    const double margin = (double)half_width + MARGIN;
    const Box clip = {{0.0 - margin, 0.0 - margin}, {scene.width + margin, scene.height + margin}};
    Chord *chords = batch.chords + (long long)stroke * batch.max_chords;
    SHARED PieceSearch search;
    SHARED unsigned char states[WARP];
    SHARED Box boxes[WARP]; // around the chords of each lane
    SHARED bool covers[WARP];
    THREADS(WARP) {
        boxes[t] = empty_box();
        covers[t] = false;
        if (t == 0) search.pending_count = search.next_point = 0;
    }
    int kept = 0;
    bool is_open = false; // the last chord was kept up to its end
    for (;;) {
        THREADS(WARP) {
            if (t == 0) find_piece(search, parameters, points, clip, kept);
        }
        const int count = search.chord_count;
        if (count == 0) break;
        const bool is_first_continued = is_open && !search.is_interrupted;
        ChordDraft draft PRIVATE(WARP);
        THREADS(WARP) {
            states[t] = t < count ? draft_chord(draft[MINE], search.found, t, count, clip) : 0;
        }
        BALLOT(are_kept, states[lane] & IS_KEPT);
        BALLOT(are_open, states[lane] & ENDS_UNCLIPPED);
        THREADS(WARP) {
            if ((states[t] & IS_KEPT) == 0) continue;
            const bool is_continued = t == 0 ? is_first_continued : (are_open >> (t - 1) & 1u) != 0;
            Chord chord;
            set_chord(chord, draft[MINE], is_continued && (states[t] & STARTS_UNCLIPPED), search.first_point);
            for (int axis = 0; axis < 2; ++axis) {
                const double start = chord.start[axis];
                include(boxes[t], axis, start);
                include(boxes[t], axis, start + (double)chord.vector[axis]);
            }
            covers[t] = covers[t] || (is_wide && is_within(chord, center, half_width));
            const int place = kept + BIT_COUNT(are_kept & ((1u << t) - 1u));
            if (!is_wide && place < batch.max_chords) chords[place] = chord;
        }
        kept += BIT_COUNT(are_kept);
        is_open = (are_open >> (count - 1) & 1u) != 0;
    }
    for (int stride = WARP / 2; stride > 0; stride /= 2) {
        THREADS(WARP) {
            if (t >= stride) continue;
            covers[t] = covers[t] || covers[t + stride];
            for (int axis = 0; axis < 2; ++axis) {
                boxes[t].min[axis] = min_d(boxes[t].min[axis], boxes[t + stride].min[axis]);
                boxes[t].max[axis] = max_d(boxes[t].max[axis], boxes[t + stride].max[axis]);
            }
        }
    }
    THREADS(WARP) {
        if (t > 0) continue;
        int *bounds = batch.tile_bounds + 4 * stroke;
        bounds[0] = bounds[1] = bounds[2] = bounds[3] = 0;
        batch.chord_counts[stroke] = is_wide ? COVERS_EVERYTHING : kept;
        if (is_wide) {
            if (covers[0]) bounds[2] = scene.columns, bounds[3] = scene.rows;
        } else if (kept > batch.max_chords) {
            batch.chord_counts[stroke] = 0; // left out until there is room
            ATOMIC_MAX(batch.needed + 2 * blockIdx.y + NEEDED_CHORDS, kept);
        } else if (kept > 0) {
            set_tile_bounds(bounds, boxes[0], half_width, scene);
        }
    }
}
