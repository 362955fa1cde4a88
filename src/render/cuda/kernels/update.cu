
// ------------------------------------------------------------------------------------------------------ update
// One update of the strokes by Adam, as `optimizer.rs` does it, in a run of steps in which they stay on the device.

// The penalty on one point that is far from the center, and its derivative by one coordinate (`center.rs`). Squares are
// compared, so that the center itself has no square root to divide by.
DEVICE double penalty_of(double &derivative, const SceneUpdate &update, const float *point, int axis) {
    double offset[2];
    for (int index = 0; index < 2; ++index)
        offset[index] = ((double)point[index] - update.center[index]) / update.scale;
    const double squared = offset[0] * offset[0] + offset[1] * offset[1];
    derivative = 0.0;
    if (!(squared > update.threshold * update.threshold)) return 0.0;
    const double distance = sqrt(squared), excess = distance - update.threshold;
    const double rate = update.weight * update.power * pow(excess, update.power - 1.0);
    // Not an index, which would put the array into memory.
    derivative = rate * (axis == 0 ? offset[0] : offset[1]) / (distance * update.scale);
    return update.weight * pow(excess, update.power);
}

// Adds the penalty's gradient to that of the views, and the sum to the moments.
KERNEL update_moments(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const SceneUpdate &update = batch.updates[blockIdx.y];
    const int own = blockIdx.x;
    if (own >= scene.strokes) return;
    const int stroke = scene.first_stroke + own;
    const float *parameters = stroke_parameters(batch, stroke);
    const int coordinates = 2 * batch.point_counts[stroke];
    SHARED double penalties[STROKE_STRIDE];
    THREADS(STROKE_STRIDE) {
        penalties[t] = 0.0;
        const long long at = (long long)stroke * STROKE_STRIDE + t;
        const float from_views = batch.parameter_gradient[at];
        const bool is_used = t < coordinates || (t >= HALF_WIDTH && t < PARAMETERS);
        float slope = from_views;
        if (is_used && !is_finite(from_views)) ATOMIC_MAX(batch.not_finite + blockIdx.y, FROM_VIEWS);
        if (update.weight != 0.0 && t < coordinates) {
            double derivative;
            const double penalty = penalty_of(derivative, update, parameters + t / 2 * 2, t % 2);
            if (t % 2 == 0) penalties[t] = penalty;
            if (!is_finite((float)derivative)) ATOMIC_MAX(batch.not_finite + blockIdx.y, FROM_PENALTY);
            slope = (float)derivative + from_views;
        }
        const double change = is_used ? slope : 0.0;
        batch.means[at] = batch.means[at] * BETA_1 + change * (1.0 - BETA_1);
        batch.squares[at] = batch.squares[at] * BETA_2 + change * change * (1.0 - BETA_2);
    }
    THREADS(STROKE_STRIDE) {
        if (t == 0) {
            double sum = 0.0;
            for (int index = 0; index < coordinates; index += 2) sum += penalties[index];
            batch.penalties[stroke] = sum;
        }
    }
}

// Grid x: numbers of all strokes, UPDATE_THREADS to a block. After a gradient that is not finite nothing moves.
KERNEL update_strokes(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const SceneUpdate &update = batch.updates[blockIdx.y];
    const StepRates &rates = batch.rates[blockIdx.y];
    const long long first = (long long)scene.first_stroke * STROKE_STRIDE;
    if ((int)blockIdx.x * UPDATE_THREADS >= scene.strokes * STROKE_STRIDE || batch.not_finite[blockIdx.y] != 0) return;
    // Every block adds up all colors' moments in the same order, so that no block waits for another.
    SHARED double sums[UPDATE_THREADS];
    if (update.colors_by_one_measure) {
        THREADS(UPDATE_THREADS) {
            double sum = 0.0;
            for (int index = t; index < 4 * scene.strokes; index += UPDATE_THREADS)
                sum += batch.squares[first + index / 4 * STROKE_STRIDE + COLOR + index % 4];
            sums[t] = sum;
        }
        for (int stride = UPDATE_THREADS / 2; stride > 0; stride /= 2) {
            THREADS(UPDATE_THREADS) {
                if (t < stride) sums[t] += sums[t + stride];
            }
        }
    }
    THREADS(UPDATE_THREADS) {
        const int index = blockIdx.x * UPDATE_THREADS + t, stroke = index / STROKE_STRIDE, parameter = index % STROKE_STRIDE;
        if (stroke >= scene.strokes || parameter >= PARAMETERS) continue;
        if (parameter < HALF_WIDTH && parameter >= 2 * batch.point_counts[scene.first_stroke + stroke]) continue;
        const float rate = parameter < HALF_WIDTH    ? rates.points
                           : parameter == HALF_WIDTH ? rates.half_widths
                           : parameter == COLOR + 3  ? rates.opacities
                                                     : rates.colors;
        const bool is_color = parameter >= COLOR;
        const double square = is_color && update.colors_by_one_measure ? sums[0] / (4.0 * scene.strokes)
                                                                       : batch.squares[first + index];
        const double step = (double)rate / rates.corrections[0];
        float value = batch.parameters[first + index];
        value -= (float)(step * batch.means[first + index] / (sqrt(square) / rates.corrections[1] + EPSILON));
        if (parameter == HALF_WIDTH) value = min_f(max_f(value, update.min_half_width), update.max_half_width);
        if (is_color) value = clamp_unit(value);
        batch.parameters[first + index] = value;
    }
}
