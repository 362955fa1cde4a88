//! From views to rows of patches, and back.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::stem::CHANNELS;
use super::vector::{LANES, stride_of};

/// The sizes of views, and how their pixels are normalized.
#[derive(Debug)]
pub(super) struct Patches {
    /// Of a view in pixels.
    pub(super) side: usize,
    /// Of a patch in pixels.
    pub(super) patch: usize,
    /// Patches beside each other. What lies after the last whole one is left out.
    pub(super) grid: usize,
    pub(super) mean: [f32; CHANNELS],
    pub(super) std: [f32; CHANNELS],
}

impl Patches {
    /// Rows for each view: one for the class token, which is zero, and then the patches.
    pub(super) fn tokens(&self) -> usize {
        1 + self.grid * self.grid
    }

    /// The numbers of a patch, `[channels, rows, columns]`.
    fn numbers(&self) -> usize {
        CHANNELS * self.patch * self.patch
    }

    /// The channel of a number of a patch, and its place in the plane of that channel.
    fn place(&self, number: usize) -> (usize, usize) {
        let in_channel = self.patch * self.patch;
        let (channel, rest) = (number / in_channel, number % in_channel);
        (channel, rest / self.patch * self.side + rest % self.patch)
    }

    /// The place of the first pixel of a patch.
    fn corner(&self, patch: usize) -> usize {
        self.patch * (patch / self.grid * self.side + patch % self.grid)
    }

    /// Normalized patches of views `[N, 3, side, side]`, `[panels, N * tokens, 16]`.
    pub(super) fn cut(&self, pixels: &[f32], patches: &mut Vec<f32>) {
        let plane = self.side * self.side;
        let views = pixels.len() / (CHANNELS * plane);
        let rows = views * self.tokens();
        patches.resize(rows * stride_of(self.numbers()), 0.0);
        let panels = patches.par_chunks_mut(rows * LANES).enumerate();
        panels.for_each(|(panel, patches)| {
            let of_views = patches.chunks_exact_mut(self.tokens() * LANES);
            for (patches, pixels) in of_views.zip(pixels.chunks_exact(CHANNELS * plane)) {
                self.cut_view(panel, pixels, patches);
            }
        });
    }

    /// A panel of the normalized patches of a view, `[tokens, 16]`.
    fn cut_view(&self, panel: usize, pixels: &[f32], patches: &mut [f32]) {
        let (class, patches) = patches.split_at_mut(LANES);
        class.fill(0.0);
        let numbers = panel * LANES..self.numbers().min((panel + 1) * LANES);
        for (lane, number) in numbers.enumerate() {
            let (channel, place) = self.place(number);
            let (mean, std) = (self.mean[channel], self.std[channel]);
            let place = channel * self.side * self.side + place;
            for (patch, line) in patches.chunks_exact_mut(LANES).enumerate() {
                line[lane] = (pixels[self.corner(patch) + place] - mean) / std;
            }
        }
    }

    /// The gradient with respect to views, from that with respect to their normalized patches.
    pub(super) fn cut_backward(&self, patches: &[f32], pixels: &mut [f32]) {
        let plane = self.side * self.side;
        let views = pixels.len() / (CHANNELS * plane);
        let rows = views * self.tokens();
        let in_channel = self.patch * self.patch;
        let planes = pixels.par_chunks_mut(plane).enumerate();
        planes.for_each(|(index, pixels)| {
            let (view, channel) = (index / CHANNELS, index % CHANNELS);
            pixels.fill(0.0);
            for number in channel * in_channel..(channel + 1) * in_channel {
                let (_, place) = self.place(number);
                let panel = &patches[number / LANES * rows * LANES..][..rows * LANES];
                for patch in 0..self.grid * self.grid {
                    let row = view * self.tokens() + 1 + patch;
                    let value = panel[row * LANES + number % LANES];
                    pixels[self.corner(patch) + place] = value / self.std[channel];
                }
            }
        });
    }
}
