//! Predictions in a file: what is left of them after the program was killed, stopped, or had no room on its disk.

mod client;
mod kills;
mod full_disk;
mod restarts;
