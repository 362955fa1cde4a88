//! Texts as tokens, and the order in which they are used.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{TchError, Tensor};

use clipdraw::clip::Tokenizer;

/// Batches whose texts are sorted by length together: enough for little padding, few enough to mix well.
const SORTED_TOGETHER: usize = 64;

/// Many texts as tokens, in little memory: every id of CLIP's vocabulary has 16 bits.
#[derive(Debug, Default)]
pub struct Tokens {
    ids: Vec<u16>,
    starts: Vec<usize>,
}

impl Tokens {
    /// Reads texts; one that is longer than `context` loses its last words but keeps its end token.
    pub fn of<'text>(texts: impl IntoIterator<Item = &'text str>, context: i64) -> Self {
        let mut tokens = Self {
            ids: Vec::new(),
            starts: vec![0],
        };
        for text in texts {
            let mut ids = Tokenizer::shared().encode(text);
            let end = ids.pop();
            ids.truncate(context as usize - 1);
            tokens
                .ids
                .extend(ids.into_iter().chain(end).map(|id| id as u16));
            tokens.starts.push(tokens.ids.len());
        }
        tokens
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The ids of one text, including the start and end tokens.
    pub fn text(&self, index: usize) -> &[u16] {
        &self.ids[self.starts[index]..self.starts[index + 1]]
    }

    /// For each id below `vocabulary` whether any text has it.
    pub fn present(&self, vocabulary: i64) -> Vec<bool> {
        let mut present = vec![false; vocabulary as usize];
        for &id in &self.ids {
            present[usize::from(id)] = true;
        }
        present
    }
}

/// Some texts side by side, filled up to the longest of them.
#[derive(Debug)]
pub struct TextBatch {
    /// The ids that occur, each once: `[U]`.
    pub tokens: Tensor,
    /// For each place of each text the index into [`TextBatch::tokens`]: `[N, L]`.
    pub places: Tensor,
    /// The positions of the end tokens if all texts are concatenated: `[N]`.
    pub ends: Tensor,
    /// Which tokens are not after a text's end token: `[N, 1, 1, L]`.
    pub seen: Tensor,
}

impl TextBatch {
    /// The batch of these texts.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn of(tokens: &Tokens, chosen: &[usize]) -> Result<Self, TchError> {
        let texts: Vec<&[u16]> = chosen.iter().map(|&index| tokens.text(index)).collect();
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut unique = texts.concat();
        unique.sort_unstable();
        unique.dedup();
        let (mut places, mut ends, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for text in texts {
            ends.push((places.len() + text.len() - 1) as i64);
            let last = text.last().copied();
            for place in 0..longest {
                // The values after the end token do not matter, because nothing that is used
                // attends to them.
                let id = text.get(place).copied().or(last);
                let index = id.and_then(|id| unique.binary_search(&id).ok());
                places.push(index.unwrap_or(0) as i64);
                seen.push(place < text.len());
            }
        }
        let (count, length) = (chosen.len() as i64, longest as i64);
        let unique: Vec<i64> = unique.into_iter().map(i64::from).collect();
        Ok(Self {
            tokens: Tensor::f_from_slice(&unique)?,
            places: Tensor::f_from_slice(&places)?.f_view([count, length])?,
            ends: Tensor::f_from_slice(&ends)?,
            seen: Tensor::f_from_slice(&seen)?.f_view([count, 1, 1, length])?,
        })
    }
}

/// How texts are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Decides every order.
    pub seed: u64,
    /// Texts in a batch.
    pub batch: usize,
}

impl Schedule {
    /// The batches of one pass over all texts, text `n` being learned `times[n]` times.
    ///
    /// Texts of similar length stand together. The order depends on the seed and the pass alone, so that
    /// a run that is resumed sees what an uninterrupted one sees. Every pass has the same number of batches;
    /// texts that fill none are left out of it.
    pub fn pass(&self, pass: u64, tokens: &Tokens, times: &[usize]) -> Vec<Vec<usize>> {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(pass);
        let mut order: Vec<usize> = times
            .iter()
            .enumerate()
            .flat_map(|(index, &times)| std::iter::repeat_n(index, times))
            .collect();
        order.shuffle(&mut generator);
        let mut batches = Vec::new();
        for group in order.chunks_mut(self.batch * SORTED_TOGETHER) {
            group.sort_by_key(|&index| tokens.text(index).len());
            batches.extend(group.chunks_exact(self.batch).map(<[usize]>::to_vec));
        }
        batches.shuffle(&mut generator);
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] = ["a cat", "a lighthouse by the sea", "fire", "a red apple"];

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        tensor.view(-1).try_into().unwrap()
    }

    #[test]
    fn a_batch_says_where_every_token_and_every_end_is() {
        let tokens = Tokens::of(TEXTS, 77);
        let batch = TextBatch::of(&tokens, &[2, 0]).unwrap();
        let (count, length) = batch.places.size2().unwrap();
        let ids = batch.tokens.index_select(0, &batch.places.view(-1));
        let expected = [2, 0].map(|index| Tokenizer::shared().encode(TEXTS[index]));
        assert_eq!((count, length), (2, expected[1].len() as i64));
        let ids = numbers(&ids);
        assert_eq!(ids[..3], expected[0]);
        assert_eq!(ids[4..], expected[1]);
        assert_eq!(numbers(&batch.ends), [2, 7]);
        assert_eq!(
            numbers(&batch.seen.to_kind(tch::Kind::Int64)),
            [1, 1, 1, 0, 1, 1, 1, 1]
        );
    }

    #[test]
    fn a_text_that_is_too_long_keeps_its_end_mark() {
        let tokens = Tokens::of(["cat cat cat cat"], 4);
        let ids = tokens.text(0);
        assert_eq!(ids.len(), 4);
        assert_eq!(ids.first().zip(ids.last()), Some((&49_406, &49_407)));
    }

    #[test]
    fn tokens_that_occur_are_marked() {
        let tokens = Tokens::of(["fire"], 77);
        let present = tokens.present(49_408);
        assert_eq!(present.iter().filter(|&&present| present).count(), 3);
        assert!(present[49_406] && present[49_407]);
    }

    #[test]
    fn a_pass_shows_every_text_as_often_as_it_is_told() {
        let tokens = Tokens::of((0..60).map(|index| TEXTS[index % 4]), 77);
        let times: Vec<usize> = (0..60).map(|index| index % 3).collect();
        let schedule = Schedule { seed: 1, batch: 5 };
        let batches = schedule.pass(0, &tokens, &times);
        assert_eq!(batches.len(), 12);
        let mut counts = vec![0; 60];
        batches
            .concat()
            .into_iter()
            .for_each(|index| counts[index] += 1);
        assert_eq!(counts, times);
    }

    #[test]
    fn passes_differ_and_come_again_with_the_same_seed() {
        let tokens = Tokens::of((0..60).map(|index| TEXTS[index % 4]), 77);
        let pass = |seed, pass| Schedule { seed, batch: 5 }.pass(pass, &tokens, &[1; 60]);
        assert_eq!(pass(1, 0), pass(1, 0));
        assert_ne!(pass(1, 0), pass(1, 1));
        assert_ne!(pass(1, 0), pass(2, 0));
    }

    #[test]
    fn texts_of_a_batch_have_similar_lengths() {
        let tokens = Tokens::of((0..60).map(|index| TEXTS[index % 4]), 77);
        let schedule = Schedule { seed: 1, batch: 5 };
        for batch in schedule.pass(0, &tokens, &[1; 60]) {
            let lengths = batch.iter().map(|&index| tokens.text(index).len());
            assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 4);
        }
    }
}
