
// ------------------------------------------------------------------------------------------------------- views
// The pooled picture resampled into views, and the transpose of that map, as `warp` explains. On the processor the way
// back scatters, each sample to the four texels that it was blended from. Here it gathers, so that every sum has one
// thread and one order: each pixel of the pooled picture looks for the samples that were blended from it.
//
//   pooled picture                  view                 The samples that can have read pixel p lie where the
//     . . . . .                      ____                two by two pixels around its center are in the view:
//     . +---+ .                     /   /                a quadrangle with straight sides, whose bounding box
//     . | p | .      inverse       / p /                 is searched. A sample's source is kept from the way
//     . +---+ .     -------->     /___/                  there, so both ways blend with the same weights.
//     . . . . .

// A coordinate as a place among the texels, which have one of border before the first.
DEVICE float texel_place(float coordinate, int length) {
    return min_f(max_f(coordinate - 0.5f, -1.0f), (float)length) + 1.0f;
}

DEVICE float *sources_of(const Batch &batch, int view, int line, int column) {
    const int stride = batch.side * batch.max_samples;
    return batch.sources + (((long long)view * stride + line) * stride + column) * 2;
}

// Finds where a sample of a view lies in the pooled picture, in double precision because a projective map can cancel large
// terms, and keeps it.
DEVICE void find_source(float place[2], const Batch &batch, const SceneLayout &scene, int number, int line,
                        int column) {
    const View &view = batch.views[number];
    const double step = 1.0 / view.samples;
    const double x = (column + 0.5) * step, y = (line + 0.5) * step;
    double homogeneous[3];
    for (int axis = 0; axis < 3; ++axis)
        homogeneous[axis] = view.source[axis][0] * x + (view.source[axis][1] * y + view.source[axis][2]);
    const double inverse = 1.0 / homogeneous[2];
    place[0] = texel_place((float)(homogeneous[0] * inverse), scene.pooled_width);
    place[1] = texel_place((float)(homogeneous[1] * inverse), scene.pooled_height);
    float *source = sources_of(batch, number, line, column);
    source[0] = place[0];
    source[1] = place[1];
}

// Grid x: pixels of all views of a scene, VIEW_THREADS to a block.
KERNEL views_forward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int plane = batch.side * batch.side, width = scene.pooled_width, height = scene.pooled_height;
    const float *picture = pooled_picture(batch, scene);
    THREADS(VIEW_THREADS) {
        const int index = blockIdx.x * VIEW_THREADS + t;
        if (index >= scene.views * plane) continue;
        const int number = scene.first_view + index / plane, pixel = index % plane;
        const int samples = batch.views[number].samples;
        const float weight = 1.0f / (float)(samples * samples);
        float color[3] = {0.0f, 0.0f, 0.0f};
        for (int sample = 0; sample < samples * samples; ++sample) {
            float place[2];
            find_source(place, batch, scene, number, pixel / batch.side * samples + sample / samples,
                        pixel % batch.side * samples + sample % samples);
            const int x = (int)place[0], y = (int)place[1];
            const float right = place[0] - (float)x, below = place[1] - (float)y;
            const float upper = (1.0f - below) * weight, lower = below * weight;
            for (int channel = 0; channel < 3; ++channel) {
                const float *values = picture + (long long)channel * width * height;
                color[channel] += (1.0f - right) * upper * texel(values, width, height, x - 1, y - 1) +
                                  right * upper * texel(values, width, height, x, y - 1) +
                                  (1.0f - right) * lower * texel(values, width, height, x - 1, y) +
                                  right * lower * texel(values, width, height, x, y);
            }
        }
        for (int channel = 0; channel < 3; ++channel)
            batch.view_pixels[((long long)number * 3 + channel) * plane + pixel] = color[channel];
    }
}

// Samples of a view: first and last column and line.
struct SampleRange {
    int first[2], last[2];
};

// The samples that can have read a pixel. The map there only bounds the search, so single precision is
// enough with some room: a thousandth of a pixel of the pooled picture and a twentieth of a sample.
DEVICE SampleRange samples_near(const View &view, int side, int x, int y) {
    const int count = side * view.samples;
    float least[2] = {1e30f, 1e30f}, most[2] = {-1e30f, -1e30f};
    float last_depth = 0.0f;
    bool is_split = false; // by the horizon, beyond which the map turns round: then all samples are searched
    for (int corner = 0; corner < 4; ++corner) {
        const float u = (float)x + 0.5f + (corner % 2 ? 1.001f : -1.001f);
        const float v = (float)y + 0.5f + (corner / 2 ? 1.001f : -1.001f);
        const float depth = view.inverse[2][0] * u + view.inverse[2][1] * v + view.inverse[2][2];
        is_split = is_split || depth * last_depth < 0.0f || depth == 0.0f;
        last_depth = depth;
        for (int axis = 0; axis < 2; ++axis) {
            const float *row = view.inverse[axis];
            const float place = (row[0] * u + row[1] * v + row[2]) / depth * (float)view.samples;
            least[axis] = min_f(least[axis], place);
            most[axis] = max_f(most[axis], place);
        }
    }
    SampleRange range;
    for (int axis = 0; axis < 2; ++axis) {
        // Sample i lies at i + 1/2.
        const float first = floorf(max_f(least[axis] - 0.55f, -1.0f)), last = ceilf(min_f(most[axis] - 0.45f, (float)count));
        range.first[axis] = is_split ? 0 : max_i((int)min_f(first, (float)count), 0);
        range.last[axis] = is_split ? count - 1 : min_i((int)max_f(last, -1.0f), count - 1);
    }
    return range;
}

// The weight along one axis of texel `own` in a sample at `place`.
DEVICE float texel_weight(float place, int own) {
    const int first = (int)place;
    const float part = place - (float)first;
    return first == own ? 1.0f - part : first + 1 == own ? part : 0.0f;
}

// Adds to `gradient` what the samples of one view give to a pixel.
DEVICE void gather_view(float gradient[3], const Batch &batch, int number, int x, int y) {
    const View &view = batch.views[number];
    const int plane = batch.side * batch.side;
    const float weight = 1.0f / (float)(view.samples * view.samples);
    const float *view_gradient = batch.view_gradient + (long long)number * 3 * plane;
    const SampleRange range = samples_near(view, batch.side, x, y);
    float sums[3] = {0.0f, 0.0f, 0.0f};
    for (int line = range.first[1]; line <= range.last[1]; ++line) {
        for (int column = range.first[0]; column <= range.last[0]; ++column) {
            const float *source = sources_of(batch, number, line, column);
            const float own = texel_weight(source[0], x + 1) * (texel_weight(source[1], y + 1) * weight);
            if (own == 0.0f) continue;
            const int pixel = line / view.samples * batch.side + column / view.samples;
            for (int channel = 0; channel < 3; ++channel)
                sums[channel] += own * view_gradient[channel * plane + pixel];
        }
    }
    for (int channel = 0; channel < 3; ++channel) gradient[channel] += sums[channel];
}

// Grid x: pixels of a pooled picture, VIEW_THREADS to a block.
KERNEL views_backward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int area = scene.pooled_width * scene.pooled_height;
    THREADS(VIEW_THREADS) {
        const int pixel = blockIdx.x * VIEW_THREADS + t;
        if (pixel >= area) continue;
        float gradient[3] = {0.0f, 0.0f, 0.0f};
        for (int number = scene.first_view; number < scene.first_view + scene.views; ++number)
            gather_view(gradient, batch, number, pixel % scene.pooled_width, pixel / scene.pooled_width);
        for (int channel = 0; channel < 3; ++channel)
            pooled_gradient(batch, scene)[(long long)channel * area + pixel] = gradient[channel];
    }
}
