//! The part of a picture that differs from the one before.

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};

/// The number of bytes of a pixel of a [`Pixmap`].
const PIXEL: usize = 4;

/// A rectangle of pixels that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    /// The first column.
    pub(super) left: usize,
    /// The first row.
    pub(super) top: usize,
    /// The number of columns.
    pub(super) width: usize,
    /// The number of rows.
    pub(super) height: usize,
}

impl Area {
    /// All of a picture.
    pub(super) fn whole(pixels: &Pixmap) -> Self {
        Self {
            left: 0,
            top: 0,
            width: pixels.width() as usize,
            height: pixels.height() as usize,
        }
    }

    /// The smallest area outside of which both pictures, which have the same size, are equal. It begins at an even
    /// column and row, as WebP requires. If nothing differs, it is one pixel.
    pub(super) fn changed(pixels: &Pixmap, previous: Option<&Pixmap>) -> Self {
        let Some(previous) = previous else {
            return Self::whole(pixels);
        };
        let stride = pixels.width() as usize * PIXEL;
        let rows = pixels.data().chunks_exact(stride);
        let rows = rows.zip(previous.data().chunks_exact(stride)).enumerate();
        let [mut left, mut right] = [usize::MAX, 0];
        let [mut top, mut bottom] = [usize::MAX, 0];
        for (row, (new, old)) in rows.filter(|(_, (new, old))| new != old) {
            let columns = new
                .as_chunks::<PIXEL>()
                .0
                .iter()
                .zip(old.as_chunks::<PIXEL>().0);
            let mut differing = columns.enumerate().filter(|(_, (new, old))| new != old);
            if let Some((first, _)) = differing.next() {
                let last = differing.next_back().map_or(first, |(last, _)| last);
                left = left.min(first);
                right = right.max(last);
            }
            top = top.min(row);
            bottom = row;
        }
        if top == usize::MAX {
            return Self {
                left: 0,
                top: 0,
                width: 1,
                height: 1,
            };
        }
        let (left, top) = (left & !1, top & !1);
        Self {
            left,
            top,
            width: right - left + 1,
            height: bottom - top + 1,
        }
    }

    /// Red, green and blue of its pixels, row by row. The picture has to be opaque.
    pub(super) fn rgb(&self, pixels: &Pixmap) -> Vec<u8> {
        let colors = self
            .colors(pixels)
            .map(|color| [color.red(), color.green(), color.blue()]);
        colors.flatten().collect()
    }

    /// Red, green, blue and opacity of its pixels, row by row, straight (not premultiplied).
    pub(super) fn rgba(&self, pixels: &Pixmap) -> Vec<u8> {
        let colors = self
            .colors(pixels)
            .map(|color| color.demultiply())
            .map(|color| [color.red(), color.green(), color.blue(), color.alpha()]);
        colors.flatten().collect()
    }

    fn colors(&self, pixels: &Pixmap) -> impl Iterator<Item = PremultipliedColorU8> {
        let stride = pixels.width() as usize;
        let rows = pixels.pixels()[self.top * stride..].chunks(stride);
        rows.take(self.height)
            .flat_map(|row| row[self.left..self.left + self.width].iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_contains_every_difference_and_begins_at_even_pixels() {
        let old = Pixmap::new(20, 10).unwrap();
        let mut new = old.clone();
        let one = Area {
            left: 0,
            top: 0,
            width: 1,
            height: 1,
        };
        assert_eq!(Area::changed(&new, Some(&old)), one);
        for (column, row) in [(7, 3), (9, 5)] {
            new.data_mut()[(row * 20 + column) * PIXEL] = 9;
        }
        let area = Area::changed(&new, Some(&old));
        let expected = Area {
            left: 6,
            top: 2,
            width: 4,
            height: 4,
        };
        assert_eq!(area, expected);
        let rgb = area.rgb(&new);
        assert_eq!(rgb.len(), 48);
        assert_eq!((rgb[(4 + 1) * 3], rgb[(3 * 4 + 3) * 3]), (9, 9));
        assert_eq!(Area::changed(&new, None), Area::whole(&new));
    }
}
