//! Where answers go: stdout, as a table for people or as JSON for machines. Everything that is not
//! the answer (progress, notes, errors) goes to stderr.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle,
};
use serde::Serialize;

/// A line below the headings, and no other.
const PLAIN: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table is fitted into a terminal that is at least this wide.
const WIDTH_MIN: u16 = 40;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Tables and sentences.
    People,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    JsonLines,
}

/// Stdout and how to write to it.
pub(crate) struct Output {
    format: Format,
    stdout: BufWriter<Stdout>,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, stdout: BufWriter::new(io::stdout()) }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn for_people(&self) -> bool {
        self.format == Format::People
    }

    /// A line of text.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.stdout, "{}", text.as_ref())
    }

    /// A JSON document on a line of its own.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.stdout, document)?;
        self.stdout.write_all(b"\n")
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    /// A table with these headings.
    pub(crate) fn table<const N: usize>(
        &mut self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> io::Result<()> {
        self.columns(headings, rows)
    }

    /// A table whose number of columns is not known beforehand.
    pub(crate) fn columns(
        &mut self,
        headings: impl IntoIterator<Item = impl ToString>,
        rows: impl IntoIterator<Item = impl IntoIterator<Item = String>>,
    ) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(PLAIN);
        // A terminal that does not know its width says 0.
        if table.width().is_some_and(|width| width >= WIDTH_MIN) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(headings.into_iter().map(heading));
        for row in rows {
            table.add_row(row.into_iter().map(cell).collect::<Vec<_>>());
        }
        writeln!(self.stdout, "{}", table.trim_fmt())
    }

    /// Hands what was written so far to the reader.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// A remark below the answer so far, on stderr, for people only.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        if self.for_people() {
            self.flush()?;
            // That a remark can't be written is no reason to stop.
            let _ = writeln!(io::stderr(), "{}", text.as_ref());
        }
        Ok(())
    }
}

/// Numbers stand to the right, so that their digits are below each other.
fn cell(text: String) -> Cell {
    let digit = |c: char| c.is_ascii_digit() || ",.-".contains(c);
    let number = !text.is_empty() && text.chars().all(digit);
    let alignment = if number { CellAlignment::Right } else { CellAlignment::Left };
    Cell::new_owned(text).set_alignment(alignment)
}

fn heading(text: impl ToString) -> Cell {
    let cell = Cell::new(text);
    if coloured(&io::stdout()) { cell.add_attribute(Attribute::Bold) } else { cell }
}

/// Colours are for terminals, and not when somebody said so (<https://no-color.org>).
pub(crate) fn coloured(stream: &impl IsTerminal) -> bool {
    let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !asked_not_to
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many there are of something: `1 row`, `2 rows`.
pub(crate) fn count(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(number))
}

/// A number of bytes as people say it.
pub(crate) fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
