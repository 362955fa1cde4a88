//! CLIP's tokenizer: byte pair encoding over cleaned, lower-case text.
//!
//! The list of merges is OpenAI's (openai/CLIP, MIT, Copyright (c) 2021 OpenAI).

mod tables;
mod mojibake;
mod cleaning;
mod truncation;

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use regex::Regex;

use self::cleaning::clean;

const MERGES: &[u8] = include_bytes!("../../../vocabulary/bpe_simple_vocab_16e6.txt.gz");
/// The number of merges in use; the list is longer, but the vocabulary ends here.
const MERGE_COUNT: usize = 49_152 - 256 - 2;
/// How the end of a word is written in the list of merges.
const WORD_END: &str = "</w>";
/// The start and end tokens as text, which a prompt may also contain.
const MARKS: [&str; 2] = ["<start_of_text>", "<end_of_text>"];

/// Turns text into token ids, equal to those of `open_clip`'s `SimpleTokenizer`.
#[derive(Debug)]
pub struct Tokenizer {
    pieces: Regex,
    /// Maps a pair of tokens to the rank of its merge and the token that results.
    merges: HashMap<(u32, u32), (usize, u32)>,
    /// Each byte's token inside a word; at a word's end it is 256 higher.
    bytes: [u32; 256],
    start: u32,
}

/// The tokenizer that the whole program shares.
static SHARED: LazyLock<Tokenizer> = LazyLock::new(Tokenizer::read);

impl Tokenizer {
    /// The tokenizer, created on first use.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// The ids of a text between the start token and the end token, which has the highest id.
    pub fn encode(&self, text: &str) -> Vec<i64> {
        let cleaned = clean(text);
        let mut ids = vec![self.start];
        for piece in self.pieces.find_iter(&cleaned) {
            match MARKS.iter().position(|mark| *mark == piece.as_str()) {
                Some(mark) => ids.push(self.start + mark as u32),
                None => ids.extend(self.merge(piece.as_str())),
            }
        }
        ids.push(self.start + 1);
        ids.into_iter().map(i64::from).collect()
    }

    /// The longest beginning of `text` with at most `limit` tokens, including the start and end tokens, that ends with a
    /// whole word. If even the first word has more tokens, it ends with a whole character; if even the first character
    /// has more, it is empty.
    pub fn truncate<'text>(&self, text: &'text str, limit: usize) -> &'text str {
        truncation::truncate(text, |text| self.encode(text).len() <= limit)
    }

    /// Merges the bytes of one piece, each time the pair that comes first in the list of merges.
    fn merge(&self, piece: &str) -> Vec<u32> {
        let mut tokens: Vec<u32> = piece
            .bytes()
            .map(|byte| self.bytes[usize::from(byte)])
            .collect();
        if let Some(last) = tokens.last_mut() {
            *last += 256;
        }
        while let Some((pair, made)) = self.best_pair(&tokens) {
            let mut joined = Vec::with_capacity(tokens.len());
            let mut rest = tokens.as_slice();
            while let Some((&first, after)) = rest.split_first() {
                rest = after;
                if first == pair.0 && after.first() == Some(&pair.1) {
                    joined.push(made);
                    rest = &after[1..];
                } else {
                    joined.push(first);
                }
            }
            tokens = joined;
        }
        tokens
    }

    fn best_pair(&self, tokens: &[u32]) -> Option<((u32, u32), u32)> {
        let known = tokens.windows(2).filter_map(|pair| {
            let pair = (pair[0], pair[1]);
            self.merges
                .get(&pair)
                .map(|&(rank, made)| (rank, pair, made))
        });
        known
            .min_by_key(|&(rank, ..)| rank)
            .map(|(_, pair, made)| (pair, made))
    }

    fn read() -> Self {
        let mut list = String::new();
        GzDecoder::new(MERGES)
            .read_to_string(&mut list)
            .expect("the list of merges is part of the program");
        let (alphabet, bytes) = byte_alphabet();
        let ended = alphabet.iter().map(|symbol| format!("{symbol}{WORD_END}"));
        let mut ids: HashMap<String, u32> =
            alphabet.iter().cloned().chain(ended).zip(0..).collect();
        let mut merges = HashMap::with_capacity(MERGE_COUNT);
        let mut next = ids.len() as u32;
        for (rank, line) in list.lines().skip(1).take(MERGE_COUNT).enumerate() {
            let (first, second) = line
                .split_once(' ')
                .expect("a line of the list of merges has two parts");
            let made = next + rank as u32;
            merges.insert((ids[first], ids[second]), (rank, made));
            ids.insert(format!("{first}{second}"), made);
        }
        next += MERGE_COUNT as u32;
        let pattern = r"(?i)<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
        let pieces = Regex::new(pattern).expect("the pattern is part of the program");
        Self {
            pieces,
            merges,
            bytes,
            start: next,
        }
    }
}

/// GPT-2's printable symbol for each byte in the order of their ids, and each byte's id.
fn byte_alphabet() -> (Vec<String>, [u32; 256]) {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let shown = (0..=u8::MAX)
        .filter(printable)
        .map(|byte| (byte, u32::from(byte)));
    let hidden = (0..=u8::MAX).filter(|byte| !printable(byte)).zip(256..);
    let (mut symbols, mut ids) = (Vec::new(), [0; 256]);
    for (id, (byte, code)) in shown.chain(hidden).enumerate() {
        symbols.push(char::from_u32(code).map(String::from).unwrap_or_default());
        ids[usize::from(byte)] = id as u32;
    }
    (symbols, ids)
}
