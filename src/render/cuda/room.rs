//! Room for what is counted only on the device.

/// How much memory a batch has for what is counted only on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Chords of a stroke.
    pub chords: usize,
    /// Tile strokes of a scene, 904 bytes each.
    pub tile_strokes: usize,
}

impl Default for Room {
    /// Enough for 256 strokes on a canvas of 224 by 224 pixels, which have 100 chords at most and about 5,000
    /// tile strokes.
    fn default() -> Self {
        Self {
            chords: 256,
            tile_strokes: 16_384,
        }
    }
}

impl Room {
    /// The room for what scenes need, twice as much as before if that suffices; `None` if there is enough.
    pub(super) fn grown_for(self, needed: Self) -> Option<Self> {
        let grown = |room: usize, needed: usize| {
            if needed > room {
                needed.max(2 * room)
            } else {
                room
            }
        };
        let grown = Self {
            chords: grown(self.chords, needed.chords),
            tile_strokes: grown(self.tile_strokes, needed.tile_strokes),
        };
        (grown != self).then_some(grown)
    }
}
