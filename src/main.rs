//! The `clipdraw` command.

fn main() {}
