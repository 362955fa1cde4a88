
// ------------------------------------------------------------------------------------------------------ pooling
// A canvas much larger than its views is reduced to means of squares, from which the views are sampled (`pooling.rs`).
// Of a scene that is not pooled, the pooled picture is the picture itself, and nothing is done here.

#define FILL 1.0f /* the color around the canvas: white */

DEVICE float texel(const float *plane, int width, int height, int x, int y) {
    return x >= 0 && y >= 0 && x < width && y < height ? plane[y * width + x] : FILL;
}

// What the views of a scene are sampled from, and the gradient on it.
DEVICE const float *pooled_picture(const Batch &batch, const SceneLayout &scene) {
    return scene.halvings == 0 ? batch.pictures + scene.first_pixel : batch.pooled_pictures + scene.first_pooled_pixel;
}

DEVICE float *pooled_gradient(const Batch &batch, const SceneLayout &scene) {
    return scene.halvings == 0 ? batch.picture_gradient + scene.first_pixel
                               : batch.pooled_gradient + scene.first_pooled_pixel;
}

// The weight of a pixel in the mean of its square.
DEVICE float pooling_weight(const SceneLayout &scene) { return 1.0f / (float)(1 << (2 * scene.halvings)); }

// Grid x: pixels of a pooled picture, VIEW_THREADS to a block.
KERNEL pool_forward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int factor = 1 << scene.halvings;
    const int area = scene.width * scene.height, pooled_area = scene.pooled_width * scene.pooled_height;
    const float weight = pooling_weight(scene);
    THREADS(VIEW_THREADS) {
        const int pixel = blockIdx.x * VIEW_THREADS + t;
        if (scene.halvings == 0 || pixel >= pooled_area) continue;
        const int first_column = pixel % scene.pooled_width * factor, first_row = pixel / scene.pooled_width * factor;
        for (int channel = 0; channel < 3; ++channel) {
            const float *values = batch.pictures + scene.first_pixel + (long long)channel * area;
            float sum = 0.0f;
            for (int column = first_column; column < first_column + factor; ++column) {
                float of_column = 0.0f;
                for (int row = first_row; row < first_row + factor; ++row)
                    of_column += texel(values, scene.width, scene.height, column, row);
                sum += of_column;
            }
            batch.pooled_pictures[scene.first_pooled_pixel + (long long)channel * pooled_area + pixel] = sum * weight;
        }
    }
}

// Grid x: pixels of a picture, VIEW_THREADS to a block.
KERNEL pool_backward(const Batch batch) {
    const SceneLayout &scene = batch.scenes[blockIdx.y];
    const int area = scene.width * scene.height, pooled_area = scene.pooled_width * scene.pooled_height;
    const float weight = pooling_weight(scene);
    THREADS(VIEW_THREADS) {
        const int pixel = blockIdx.x * VIEW_THREADS + t;
        if (scene.halvings == 0 || pixel >= area) continue;
        const int column = (pixel % scene.width) >> scene.halvings;
        const int row = (pixel / scene.width) >> scene.halvings;
        const float *gradient = batch.pooled_gradient + scene.first_pooled_pixel + row * scene.pooled_width + column;
        for (int channel = 0; channel < 3; ++channel)
            batch.picture_gradient[scene.first_pixel + (long long)channel * area + pixel] =
                gradient[(long long)channel * pooled_area] * weight;
    }
}
