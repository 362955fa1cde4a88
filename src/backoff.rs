//! Exponential back-off: the pauses between attempts.

use std::time::Duration;

/// Exponential back-off: each pause is twice as long as the one before, up to a longest one.
///
/// The pauses are exact multiples of the first. Those of the crate `backon`, whose factors are `f32`, are
/// not, and a timer in milliseconds would round them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first attempt.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// The maximum number of attempts after the first.
    pub repeats: u32,
}

impl Backoff {
    /// No limit on the number of attempts.
    pub const ENDLESS: u32 = u32::MAX;

    /// The pause after each failed attempt except the last.
    pub fn pauses(self) -> impl Iterator<Item = Duration> + Send {
        let doubled = move |repeat| self.first.saturating_mul(2_u32.saturating_pow(repeat));
        (0..self.repeats).map(move |repeat| doubled(repeat).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(50),
            repeats: 5,
        };
        let millis: Vec<_> = backoff.pauses().map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [10, 20, 40, 50, 50]);
    }
}
