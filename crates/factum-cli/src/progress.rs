//! A bar on stderr for work that takes a while: only when a person watches.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const COUNTED: &str = "{msg:24} {wide_bar} {human_pos}/{human_len}  {eta}";
const BYTES: &str = "{msg:24} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}";

/// A bar that counts to `total` things.
pub(crate) fn counted(message: &'static str, total: u64) -> ProgressBar {
    bar(message, total, COUNTED)
}

/// A bar that counts to `total` bytes.
pub(crate) fn bytes(message: &'static str, total: u64) -> ProgressBar {
    bar(message, total, BYTES)
}

fn bar(message: &'static str, total: u64, template: &str) -> ProgressBar {
    // A bar beside piped output would be mixed into what the other program shows.
    let watched = io::stderr().is_terminal() && io::stdout().is_terminal();
    let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(message)
}
