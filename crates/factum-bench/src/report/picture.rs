//! The results as a picture for the docs: a panel for each unit, bars by row, a logarithmic scale,
//! readable on light and on dark paper.

use std::fmt::Write as _;

use super::{columns, table::number};
use crate::{
    run::{Results, Row},
    workloads::{Unit, workload},
};

const WIDTH: f64 = 900.0;
/// Names of rows end here, bars begin here.
const BARS_FROM: f64 = 190.0;
const BARS_TO: f64 = 800.0;
const BAR: f64 = 11.0;
const BETWEEN_ROWS: f64 = 9.0;
const HEADING: f64 = 34.0;
/// One for the floor and one for each system, as far apart as colour-blind readers need.
const COLOURS: [&str; 6] = ["#9aa0a6", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"];
const UNITS: [(Unit, &str); 6] = [
    (Unit::RequestsPerSecond, "durable requests a second: longer is better"),
    (Unit::EventsPerSecond, "events a second: longer is better"),
    (Unit::Microseconds, "median wait in µs: shorter is better"),
    (Unit::Milliseconds, "start-up in ms: shorter is better"),
    (Unit::Mebibytes, "memory in MiB: shorter is better"),
    (Unit::BytesPerByte, "bytes on disk for each byte of data: shorter is better"),
];
const STYLE: &str = "<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .heading { font-weight: 600; } .value { font-size: 10px; }
  line { stroke: #1f2328; stroke-opacity: .15; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } line { stroke: #e6edf3; } }
</style>
";

/// The whole picture.
pub(crate) fn picture(results: &Results) -> String {
    let systems = columns(results);
    let mut body = String::new();
    let mut y = legend(&mut body, &systems);
    for (unit, heading) in UNITS {
        let of_unit = |row: &&Row| workload(&row.workload).is_ok_and(|known| known.unit == unit);
        let rows: Vec<&Row> = results.rows.iter().filter(of_unit).collect();
        if !rows.is_empty() {
            y = panel(&mut body, y, heading, &rows, &systems);
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\">\n\
         <title>Factum and its peers under the same work</title>\n{STYLE}{body}</svg>\n"
    )
}

fn legend(body: &mut String, systems: &[String]) -> f64 {
    let mut x = BARS_FROM;
    for (system, colour) in systems.iter().zip(COLOURS) {
        let _ = writeln!(body, r#"<rect x="{x}" y="8" width="11" height="11" fill="{colour}"/>"#);
        let _ = writeln!(body, r#"<text x="{}" y="18">{system}</text>"#, x + 16.0);
        x += 100.0;
    }
    let _ = writeln!(body, r#"<text class="value" x="8" y="18">scales are logarithmic</text>"#);
    30.0
}

/// Draws the rows of one unit; says where the next panel begins.
fn panel(body: &mut String, top: f64, heading: &str, rows: &[&Row], systems: &[String]) -> f64 {
    let values = rows.iter().flat_map(|row| &row.systems).map(super::Rounds::value);
    let values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
    let scale = Scale::of(&values);
    let mut y = top + HEADING;
    let _ = writeln!(
        body,
        r#"<text class="heading" x="{BARS_FROM}" y="{}">{heading}</text>"#,
        y - 12.0
    );
    let grid_from = y - 6.0;
    let mut bars = String::new();
    for row in rows {
        let begin = y;
        for (system, colour) in systems.iter().zip(COLOURS) {
            let Some(value) = row.value(system).filter(|value| *value > 0.0) else { continue };
            bar(&mut bars, y, scale.length(value), colour, value);
            y += BAR + 1.0;
        }
        let middle = f64::midpoint(begin, y) + 3.0;
        let _ = writeln!(
            bars,
            r#"<text x="{}" y="{middle}" text-anchor="end">{}</text>"#,
            BARS_FROM - 8.0,
            row.workload
        );
        y += BETWEEN_ROWS;
    }
    for power in scale.from..=scale.to {
        let x = BARS_FROM + scale.length(10_f64.powi(power));
        let _ = writeln!(body, r#"<line x1="{x}" x2="{x}" y1="{grid_from}" y2="{y}"/>"#);
        let _ = writeln!(
            body,
            r#"<text class="value" x="{x}" y="{}" text-anchor="middle">{}</text>"#,
            y + 10.0,
            number(10_f64.powi(power))
        );
    }
    body.push_str(&bars);
    y + 14.0
}

fn bar(body: &mut String, y: f64, length: f64, colour: &str, value: f64) {
    let _ = writeln!(
        body,
        r#"<rect x="{BARS_FROM}" y="{y}" width="{length:.1}" height="{BAR}" fill="{colour}"/>"#
    );
    let _ = writeln!(
        body,
        r#"<text class="value" x="{:.1}" y="{}">{}</text>"#,
        BARS_FROM + length + 4.0,
        y + 9.0,
        number(value)
    );
}

/// Powers of ten around the values.
struct Scale {
    from: i32,
    to: i32,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        // Even the shortest bar is seen.
        let from = (least / 1.5).log10().floor() as i32;
        Self { from, to: (most.log10().ceil() as i32).max(from + 1) }
    }

    fn length(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        share.clamp(0.0, 1.0) * (BARS_TO - BARS_FROM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_bar_is_seen_and_the_longest_fits() {
        let scale = Scale::of(&[10.0, 25.0, 99_000.0]);
        assert!(scale.length(10.0) > 1.0, "the shortest bar is {} long", scale.length(10.0));
        assert!(scale.length(99_000.0) <= BARS_TO - BARS_FROM);
        assert!(scale.length(25.0) > scale.length(10.0));
    }
}
