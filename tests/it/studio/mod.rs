//! The page under `/studio`: how it is served, and, in a real browser, what a person does on it.

mod command;
mod constrain;
mod draw;
mod everybody;
mod go_on;
mod hostile;
mod keep;
mod page;
mod play_back;
mod serving;
mod speed;
mod stub;
mod token;
mod watch;
