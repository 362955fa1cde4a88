//! `clipdraw serve` as a process: its options, and how it ends.
