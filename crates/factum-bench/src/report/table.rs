//! The results on a terminal: medians with the ratio to each peer, then what each took.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::{columns, judged};
use crate::{
    machine::Machine,
    run::{Results, Rounds, Row},
    systems::KINDS,
    workloads::{ROWS, Workload, workload},
};

/// A line below the headings, and no other.
const PLAIN: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The names of everything.
pub(crate) fn list() {
    let mut table = table(&["row", "what is done", "unit"]);
    for row in ROWS {
        table.add_row([row.name, row.about, row.unit.name()]);
    }
    println!("{table}");
    let mut table = self::table(&["system", "how it is run"]);
    for kind in KINDS {
        table.add_row([kind.name, kind.about]);
    }
    println!("{table}");
}

/// Everything that was measured.
pub(crate) fn print(results: &Results) {
    let Machine { processor, cores, memory_mib, kernel, file_system, floor } = &results.machine;
    println!(
        "{processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}, {file_system}; \
         floor: {floor}; {} events, {} rounds",
        results.events, results.rounds
    );
    for (system, version) in &results.versions {
        println!("{system}: {version}");
    }
    println!("{}", values(results));
    println!("{}", details(results));
}

/// A row in one line, as soon as it is known.
pub(crate) fn line(workload: &Workload, row: &Row) -> String {
    let values = row.systems.iter().map(|of| format!("{} {}", of.system, number(of.value())));
    let values: Vec<_> = values.collect();
    format!("{:18} {}  {}", workload.name, values.join(", "), workload.unit.name())
}

fn values(results: &Results) -> Table {
    let columns = columns(results);
    let mut header = vec!["row", "what is done"];
    header.extend(columns.iter().map(String::as_str));
    header.extend(["unit", "goal", "reached"]);
    let mut table = table(&header);
    for row in &results.rows {
        let Ok(workload) = workload(&row.workload) else { continue };
        let mut cells = vec![Cell::new(workload.name), Cell::new(workload.about)];
        cells.extend(columns.iter().map(|system| value_cell(workload, row, system)));
        cells.push(Cell::new(workload.unit.name()));
        cells.extend(goal_cells(workload, row, results));
        table.add_row(cells);
    }
    table
}

/// A system's value, and how many times better Factum is.
fn value_cell(workload: &Workload, row: &Row, system: &str) -> Cell {
    let Some(value) = row.value(system) else { return Cell::new("") };
    let mut text = number(value);
    if let Some(ours) = row.value("factum").filter(|_| system != "factum") {
        text += &format!("  {:.2}×", workload.unit.times(ours, value));
    }
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn goal_cells(workload: &Workload, row: &Row, results: &Results) -> [Cell; 2] {
    let Some((goal, reached)) = judged(workload, row, results) else {
        return [Cell::new(""), Cell::new("")];
    };
    let reached = match reached {
        Some(true) => Cell::new("yes").fg(Color::Green),
        Some(false) => Cell::new("no").fg(Color::Red).add_attribute(Attribute::Bold),
        None => Cell::new("not measured"),
    };
    [Cell::new(goal), reached]
}

fn details(results: &Results) -> Table {
    let mut table = table(&[
        "row",
        "system",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "refused",
        "CPU s",
        "CPU µs/event",
        "peak MiB",
        "written/data",
    ]);
    for row in &results.rows {
        // Of files alone there is nothing more to say.
        let ran = |of: &&Rounds| of.rounds.iter().any(|one| one.requests > 0);
        for of in row.systems.iter().filter(ran) {
            let mut cells = vec![Cell::new(&row.workload), Cell::new(&of.system)];
            let right = |text| Cell::new(text).set_alignment(CellAlignment::Right);
            cells.extend(took(of).into_iter().map(right));
            table.add_row(cells);
        }
    }
    table
}

/// What a system took for a row; a dash where it was not looked at.
fn took(of: &Rounds) -> [String; 8] {
    let wait = |percentile: fn(&crate::job::Waits) -> f64| {
        dash(of.median(|one| one.waits.as_ref().map_or(f64::NAN, percentile)))
    };
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { f64::NAN };
    // Ticks of the kernel's clock say nothing about a handful.
    let many = |events: u64| if events >= 1_000 { events as f64 } else { f64::NAN };
    [
        wait(|waits| waits.p50),
        wait(|waits| waits.p99),
        wait(|waits| waits.p999),
        dash(of.median(|one| ratio(one.refused as f64, one.requests as f64))),
        dash(of.median(|one| if one.events > 0 { one.usage.cpu_seconds } else { f64::NAN })),
        dash(of.median(|one| one.usage.cpu_seconds * 1e6 / many(one.events))),
        dash(of.median(|one| ratio(one.usage.peak_bytes as f64, (1 << 20) as f64))),
        dash(of.median(|one| ratio(one.usage.written_bytes as f64, one.payload_bytes as f64))),
    ]
}

fn dash(value: f64) -> String {
    if value.is_nan() { "–".into() } else { number(value) }
}

/// Three figures that matter, with commas between thousands.
pub(super) fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.*}", if value < 10.0 { 2 } else { 1 });
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(PLAIN);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    table
}
