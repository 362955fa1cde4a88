//! The passes of vision transformers beside those of libtorch.

use tch::{Device, Kind, Tensor};

use super::testing::{difference, normalized, passes_of_libtorch, views, waves};
use super::transformer::NativeTransformer;
use crate::clip::checkpoint::weights::{Origin, Weights};
use crate::clip::config::{
    Activation, BlockConfig, CLIP_MEAN, CLIP_STD, ClipConfig, ImageConfig, TransformerSize,
};
use crate::clip::image::vit::VisionTransformer;

fn towers(config: &ClipConfig) -> (VisionTransformer, NativeTransformer) {
    let ImageConfig::Transformer(size) = config.image else {
        panic!("another tower");
    };
    let weights = Weights::new(Origin::Random(5), Device::Cpu, Kind::Float);
    let tower = VisionTransformer::new(&weights, size, config).unwrap();
    let side = config.image_size as usize;
    let native = NativeTransformer::new(tower.clone(), side, CLIP_MEAN, CLIP_STD);
    (tower, native.unwrap())
}

/// A tower with another patch, width, number of heads and layers, image size and length of an embedding.
fn tower_of([patch, width, heads, layers]: [i64; 4], side: i64, embed_dim: i64) -> ClipConfig {
    ClipConfig {
        image: ImageConfig::Transformer(TransformerSize {
            patch,
            width,
            heads,
            layers,
        }),
        image_size: side,
        embed_dim,
        ..ClipConfig::tiny_transformer()
    }
}

fn sizes() -> Vec<ClipConfig> {
    let gelu = BlockConfig {
        activation: Activation::Gelu,
        norm_epsilon: 1e-6,
    };
    vec![
        ClipConfig::tiny_transformer(),
        ClipConfig {
            image_block: gelu,
            ..tower_of([8, 64, 2, 3], 37, 33)
        },
        // 147 numbers in a patch, more tokens than two vectors hold, and several parts of a panel.
        tower_of([7, 192, 4, 4], 44, 50),
        ClipConfig {
            image_block: gelu,
            ..tower_of([16, 32, 1, 1], 16, 16)
        },
    ]
}

#[test]
fn both_passes_give_what_libtorch_gives() {
    for config in sizes() {
        let (tower, native) = towers(&config);
        let views = views(3, config.image_size);
        let (found, tape) = native.forward(&views).unwrap();
        let [embeddings, weights, gradient] = passes_of_libtorch(&views, |pictures| {
            let [_, map] = tower.features(pictures).unwrap();
            tower.finish(&map).unwrap()
        });
        let error = difference(&found, &embeddings);
        assert!(error < 1e-5, "{config:?}: embeddings: {error}");
        let found = native.backward(tape, &weights, None).unwrap();
        let error = difference(&found, &gradient);
        assert!(error < 1e-5, "{config:?}: gradient: {error}");
    }
}

#[test]
fn features_and_the_gradient_through_them_are_those_of_libtorch() {
    for config in sizes() {
        let (tower, native) = towers(&config);
        let views = views(3, config.image_size);
        let (embeddings, tape) = native.forward(&views).unwrap();
        let found = native.features_on(&tape).unwrap();
        let alone = native.features(&views).unwrap();
        let with_gradient = views.set_requires_grad(true);
        let maps = tower.features(&normalized(&with_gradient)).unwrap();
        for ((found, alone), map) in found.iter().zip(&alone).zip(&maps) {
            assert!(found.equal(alone));
            let error = difference(found, &map.detach());
            assert!(error < 1e-5, "features: {error}");
        }
        let weights = [0, 1].map(|index| waves(maps[index].numel()).view_as(&maps[index]));
        let of_embeddings = waves(embeddings.numel()).view_as(&embeddings);
        let total = (&tower.finish(&maps[1]).unwrap() * &of_embeddings).sum(Kind::Float)
            + (&maps[0] * &weights[0]).sum(Kind::Float)
            + (&maps[1] * &weights[1]).sum(Kind::Float);
        let expected = Tensor::run_backward(&[total], &[&with_gradient], false, false).remove(0);
        let found = native.backward(tape, &of_embeddings, Some(&weights));
        let error = difference(&found.unwrap(), &expected);
        assert!(error < 1e-5, "gradient: {error}");
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_embeddings() {
    for config in sizes() {
        let native = towers(&config).1;
        let views = views(2, config.image_size);
        let (embeddings, tape) = native.forward(&views).unwrap();
        let weights = waves(embeddings.numel()).view_as(&embeddings);
        let gradient = native.backward(tape, &weights, None).unwrap();
        let direction = &gradient / gradient.norm();
        let step = 0.02;
        let total = |sign: f64| {
            let (embeddings, _) = native
                .forward(&(&views + &direction * (sign * step)))
                .unwrap();
            (embeddings * &weights).sum(Kind::Double).double_value(&[])
        };
        let found = (total(1.0) - total(-1.0)) / (2.0 * step);
        let expected = gradient.norm().double_value(&[]);
        let error = (found / expected - 1.0).abs();
        assert!(error < 5e-3, "{found}, expected {expected}");
    }
}

/// The embeddings, features and gradient of views.
fn everything(native: &NativeTransformer, views: &Tensor) -> [Tensor; 4] {
    let (embeddings, tape) = native.forward(views).unwrap();
    let [outer, inner] = native.features_on(&tape).unwrap();
    let gradient = Tensor::ones_like(&embeddings);
    let features = [outer.ones_like(), inner.ones_like()];
    let gradient = native.backward(tape, &gradient, Some(&features)).unwrap();
    [embeddings, outer, inner, gradient]
}

#[test]
fn a_view_has_the_same_bits_in_every_batch_on_all_threads_and_in_kept_memory() {
    let config = tower_of([7, 192, 4, 4], 44, 50);
    let native = towers(&config).1;
    let views = views(5, config.image_size);
    let together = everything(&native, &views);
    for threads in [1, 2, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let (native, views) = (native.clone(), views.shallow_clone());
        let found = pool.build().unwrap().install(move || {
            let alone = [4, 0, 2].map(|view| everything(&native, &views.narrow(0, view, 1)));
            (everything(&native, &views), alone)
        });
        for (index, together) in together.iter().enumerate() {
            assert!(found.0[index].equal(together), "{threads} threads");
            for (view, alone) in [4, 0, 2].into_iter().zip(&found.1) {
                assert!(alone[index].equal(&together.narrow(0, view, 1)));
            }
        }
    }
}

#[test]
fn a_number_that_is_not_finite_reaches_the_embedding_of_its_view_only() {
    let config = ClipConfig::tiny_transformer();
    let native = towers(&config).1;
    let views = views(2, config.image_size);
    let _ = views.get(1).get(0).get(3).get(3).fill_(f64::NAN);
    let (embeddings, _) = native.forward(&views).unwrap();
    assert!(bool::try_from(embeddings.get(0).isfinite().all()).unwrap());
    assert!(bool::try_from(embeddings.get(1).isnan().any()).unwrap());
}

#[test]
fn heads_that_are_not_whole_vectors_are_left_to_libtorch() {
    for (heads, layers, expected) in [(4, 2, true), (8, 2, false), (4, 0, false)] {
        let size = TransformerSize {
            patch: 8,
            width: 64,
            heads,
            layers,
        };
        assert_eq!(NativeTransformer::suits(&size), expected, "{size:?}");
    }
}
